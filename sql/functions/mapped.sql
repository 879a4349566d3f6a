-- Return the product of a matrix, given as its rows, with a vector; NULL without a matrix.
CREATE OR REPLACE FUNCTION embrec.mapped(matrix vector[], features vector)
RETURNS vector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT array_agg((-(m.embedding <#> mapped.features))::real ORDER BY m.place)::vector
    FROM unnest(mapped.matrix) WITH ORDINALITY AS m (embedding, place);
END;
