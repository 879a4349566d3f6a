-- Return a number as the rating that is stored, with bounds from rating_bounds; NULL if it is none, because it is not
-- finite or outside them. A number nearer to 0 than a billionth is 0, or products of ratings would underflow.
CREATE OR REPLACE FUNCTION embrec.as_rating(value double precision, lowest real, highest real)
RETURNS real
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN as_rating.value BETWEEN -1e9 AND 1e9 THEN
        CASE
            WHEN abs(as_rating.value) < 1e-9 THEN CASE WHEN 0 BETWEEN as_rating.lowest AND as_rating.highest THEN 0::real END
            WHEN as_rating.value::real BETWEEN as_rating.lowest AND as_rating.highest THEN as_rating.value::real
        END
    END;
END;
