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
            coalesce(sum(a.amount) FILTER (WHERE a.disliked), sum(a.amount)) AS amount
        FROM (
            SELECT
                e.movie_index,
                t.kind = 'dislike' AS disliked,
                t.weight::double precision * coalesce(e.value, 1)
                * CASE
                    WHEN t.half_life IS NULL OR e.occurred_at IS NULL THEN 1
                    -- After more than 200 half-lives the squares below would underflow.
                    ELSE 0.5::double precision ^ least(
                        greatest(extract(epoch FROM event_pairs.moment - e.occurred_at), 0)::double precision
                        / extract(epoch FROM t.half_life)::double precision,
                        200
                    )
                END AS amount
            FROM embrec.events AS e
            JOIN embrec.event_types AS t ON t.event_type = e.event_type
            WHERE e.user_index = event_pairs.user_index AND e.movie_index <> ALL (coalesce(event_pairs.rated, '{}'))
        ) AS a
        GROUP BY a.movie_index
    ),
    interests AS (
        SELECT
            p.movie_index,
            p.disliked,
            -- The series keeps the digits of small amounts, which 1 + amount loses: old events weigh little, and not alike.
            CASE WHEN p.amount < 1e-6 THEN p.amount * (1 - p.amount / 2) ELSE ln(1 + p.amount) END / ln(2::double precision)
                AS interest
        FROM pairs AS p
    ),
    weights AS (
        SELECT
            i.movie_index,
            CASE
                WHEN i.disliked THEN -i.interest
                ELSE coalesce(i.interest / nullif(sqrt(avg(i.interest ^ 2) FILTER (WHERE NOT i.disliked) OVER ()), 0), 0)
            END AS weight
        FROM interests AS i
    )
    SELECT w.movie_index, CASE WHEN abs(w.weight) < 1e-30 THEN 0 ELSE w.weight END::real -- or single precision would underflow
    FROM weights AS w;
END;
