-- Return the narrowest scale in common use that holds these ratings, because few ratings need not reach its ends; or
-- without one their range, rounded to powers of ten, because counts grow.
CREATE OR REPLACE FUNCTION embrec.common_scale(from_rating real, to_rating real, OUT lowest real, OUT highest real)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.lowest::real, c.highest::real
    FROM (
        SELECT *, false AS is_rounded
        FROM (VALUES (0, 1), (-1, 1), (1, 5), (0.5, 5), (0, 5), (1, 10), (0, 10), (-10, 10), (1, 100), (0, 100)) AS v (lowest, highest)
        UNION ALL
        SELECT
            CASE WHEN common_scale.from_rating < 0 THEN greatest(-power(10.0, ceil(log(-common_scale.from_rating::numeric))), -1e9) ELSE 0 END,
            CASE WHEN common_scale.to_rating > 0 THEN least(power(10.0, ceil(log(common_scale.to_rating::numeric))), 1e9) ELSE 0 END,
            true
    ) AS c
    WHERE c.lowest <= common_scale.from_rating AND common_scale.to_rating <= c.highest
    ORDER BY c.is_rounded, c.highest - c.lowest
    LIMIT 1;
END;
