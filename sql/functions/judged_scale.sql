-- Return the lowest and the highest of the stored ratings, without those that are far from all others. A rating is far if
-- at most one in a hundred is as far out, and the gap between it and the next is more than ten times the range of the
-- others. With fewer than a hundred ratings none is far, but those beyond a billion. NULL without ratings.
CREATE OR REPLACE FUNCTION embrec.judged_scale(OUT lowest real, OUT highest real)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH counted AS (
        SELECT r.rating::double precision AS rating, count(*) AS number
        FROM embrec.ratings AS r
        WHERE r.rating BETWEEN -1e9 AND 1e9
        GROUP BY r.rating
    ),
    placed AS (
        SELECT
            c.rating,
            lag(c.rating) OVER (ORDER BY c.rating) AS below,
            lead(c.rating) OVER (ORDER BY c.rating) AS above,
            100 * sum(c.number) OVER (ORDER BY c.rating) <= sum(c.number) OVER () AS is_low,
            100 * sum(c.number) OVER (ORDER BY c.rating DESC) <= sum(c.number) OVER () AS is_high
        FROM counted AS c
    ),
    most AS (
        SELECT min(p.rating) FILTER (WHERE NOT p.is_low) AS lowest, max(p.rating) FILTER (WHERE NOT p.is_high) AS highest
        FROM placed AS p
    )
    SELECT
        coalesce(
            max(p.above) FILTER (WHERE p.is_low AND p.above < m.highest AND p.above - p.rating > 10 * (m.highest - p.above)),
            min(p.rating)
        ),
        coalesce(
            min(p.below) FILTER (WHERE p.is_high AND p.below > m.lowest AND p.rating - p.below > 10 * (p.below - m.lowest)),
            max(p.rating)
        )
    FROM placed AS p
    CROSS JOIN most AS m;
END;
