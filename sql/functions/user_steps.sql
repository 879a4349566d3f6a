-- Return the newest steps of a user, newest first: ratings, and events that are no dislikes, as they are now. A rating is an
-- event of type 0. Steps without a time are the oldest. Of equal times ratings are older, by place_among_ties, then events by
-- arrival. Events in a row with the same movie and different types are one step, the newest of them. Age is 0 for the newest
-- step. A query takes the function's own in its place, so it has no settings.
CREATE OR REPLACE FUNCTION embrec.user_steps(user_index integer, since timestamptz, length integer)
RETURNS TABLE (age integer, movie_index integer, event_type smallint, occurred_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (row_number() OVER (ORDER BY s.position))::integer - 1, s.movie_index, s.event_type, s.occurred_at
    FROM (
        SELECT
            o.movie_index,
            o.event_type,
            o.occurred_at,
            row_number() OVER newest AS position,
            lag(o.movie_index) OVER newest AS newer_movie,
            lag(o.event_type) OVER newest AS newer_type
        FROM (
            SELECT
                r.movie_index,
                0::smallint AS event_type,
                r.rated_at AS occurred_at,
                embrec.place_among_ties(r.user_index, r.movie_index) AS event_id
            FROM embrec.ratings AS r
            WHERE r.user_index = user_steps.user_index
            UNION ALL
            SELECT e.movie_index, e.event_type, e.occurred_at, e.event_id
            FROM embrec.events AS e
            WHERE e.user_index = user_steps.user_index
                AND e.event_type <> ALL (ARRAY(SELECT t.event_type FROM embrec.event_types AS t WHERE t.kind = 'dislike'))
        ) AS o
        WHERE user_steps.since IS NULL OR o.occurred_at >= user_steps.since
        WINDOW newest AS (ORDER BY o.occurred_at DESC NULLS LAST, o.event_id DESC, o.movie_index DESC)
    ) AS s
    WHERE s.newer_movie IS DISTINCT FROM s.movie_index OR s.newer_type = s.event_type
    ORDER BY s.position
    LIMIT user_steps.length;
END;
