-- Return the letter of a range of lengths of titles: the keys of shorter titles begin with an earlier letter, A to F.
CREATE OR REPLACE FUNCTION embrec.length_bucket(length integer)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN chr(65 + width_bucket(length_bucket.length, ARRAY[8, 14, 20, 28, 40]));
