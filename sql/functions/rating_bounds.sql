-- Return the scale of ratings on record. As long as there is none, return the bounds of what the arithmetic of trainings
-- and answers can bear, a billion either way.
CREATE OR REPLACE FUNCTION embrec.rating_bounds(OUT lowest real, OUT highest real)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(s.lowest, -1e9), coalesce(s.highest, 1e9)
    FROM (VALUES (true)) AS always (only_row)
    LEFT JOIN embrec.rating_scale AS s ON s.only_row = always.only_row;
END;
