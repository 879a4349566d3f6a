-- Return a number as the value of an event that is stored, from 0 to a billion; NULL if it is none. A value below a
-- billionth is 0, or single precision would underflow.
CREATE OR REPLACE FUNCTION embrec.as_value(value double precision)
RETURNS real
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN as_value.value BETWEEN 0 AND 1e9 THEN CASE WHEN as_value.value < 1e-9 THEN 0 ELSE as_value.value END::real END;
END;
