-- Return how far another vector is from one's own: 1 minus the cosine, or where lengths count (shrunk) minus the cosine times
-- the other's length. NaN if one of them is zero, which is no vector.
CREATE OR REPLACE FUNCTION embrec.vector_distance(own vector, other vector, shrunk boolean)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN vector_distance.shrunk THEN
            '1'::double precision - ('1'::double precision - (vector_distance.own <=> vector_distance.other)) * vector_norm(vector_distance.other)
        ELSE vector_distance.own <=> vector_distance.other
    END;
END;
