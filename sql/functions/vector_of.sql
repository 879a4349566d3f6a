-- Return the SQL expression of the vector in a row of a run's table of one side: a user's may be stored in half precision.
CREATE OR REPLACE FUNCTION embrec.vector_of(side text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE vector_of.side WHEN 'user' THEN 'coalesce(embedding, half::vector)' ELSE 'embedding' END;
END;
