-- Return what is wrong with an external id that is to be stored, with the parameter's name; NULL if nothing is. The blanks
-- are those that loads of files trim.
CREATE OR REPLACE FUNCTION embrec.id_fault(name text, id text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN id_fault.id IS NULL OR embrec.trimmed(id_fault.id) = '' THEN format('%s is empty; give an id', id_fault.name)
        WHEN octet_length(id_fault.id) > 500 THEN format('%s is longer than 500 bytes; give a shorter id', id_fault.name)
        WHEN embrec.trimmed(id_fault.id) <> id_fault.id
        THEN format('%s has blanks around it, which loads leave out; give %L', id_fault.name, embrec.trimmed(id_fault.id))
    END;
END;
