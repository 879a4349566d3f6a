-- Return a vector times a number; NULL if either is. It is one expression, which the planner puts in place of a call.
CREATE OR REPLACE FUNCTION embrec.scaled(embedding vector, factor double precision)
RETURNS vector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN scaled.embedding IS NOT NULL AND scaled.factor IS NOT NULL
        THEN scaled.embedding * array_fill(scaled.factor::real, ARRAY[vector_dims(scaled.embedding)])::vector
    END;
END;
