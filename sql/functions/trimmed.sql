-- Return text without blanks around it, as loads of files trim ids: spaces, tabs, line ends, and all that Unicode counts as
-- white space.
CREATE OR REPLACE FUNCTION embrec.trimmed(value text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT btrim(
        trimmed.value,
        U&'\0009\000a\000b\000c\000d\001c\001d\001e\001f\0020\0085\00a0\1680\2000\2001\2002'
        '\2003\2004\2005\2006\2007\2008\2009\200a\2028\2029\202f\205f\3000'
    );
END;
