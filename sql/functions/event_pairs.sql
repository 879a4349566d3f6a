-- Return the movies that a user has events of and did not rate, with the interest in each: implicit feedback, as
-- embrec.models.event_pairs defines it. The amount of a pair is the sum over its events of type weight * value (1 for
-- none) * 0.5 ^ (age / half-life). The interest is log2(1 + amount), over the root mean square of the user's interests.
-- A dislike outweighs all other events of its pair, and its interest is negative. Ages count to a moment; an event that is
-- later, or has no time, has not aged.
CREATE OR REPLACE FUNCTION embrec.event_pairs(user_index integer, rated integer[], moment timestamptz)
RETURNS TABLE (movie_index integer, interest real)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH pairs AS (
        SELECT
            a.movie_index,
            bool_or(a.disliked) AS disliked,
            ln(1 + coalesce(sum(a.amount) FILTER (WHERE a.disliked), sum(a.amount))) / ln(2::double precision) AS interest
        FROM (
            SELECT
                e.movie_index,
                t.kind = 'dislike' AS disliked,
                t.weight::double precision * coalesce(e.value, 1)
                * CASE
                    WHEN t.half_life IS NULL OR e.occurred_at IS NULL THEN 1
                    -- More than a thousand half-lives would underflow.
                    ELSE 0.5::double precision ^ least(
                        greatest(extract(epoch FROM event_pairs.moment - e.occurred_at), 0)::double precision
                        / extract(epoch FROM t.half_life)::double precision,
                        1000
                    )
                END AS amount
            FROM embrec.events AS e
            JOIN embrec.event_types AS t ON t.event_type = e.event_type
            WHERE e.user_index = event_pairs.user_index AND e.movie_index <> ALL (coalesce(event_pairs.rated, '{}'))
        ) AS a
        GROUP BY a.movie_index
    )
    SELECT
        p.movie_index,
        (CASE
            WHEN p.disliked THEN -p.interest
            ELSE coalesce(p.interest / nullif(sqrt(avg(p.interest ^ 2) FILTER (WHERE NOT p.disliked) OVER ()), 0), 0)
        END)::real
    FROM pairs AS p;
END;
