-- Return the newest steps of a user, newest first, as they are now: what they did (user_acts) but for events that are
-- dislikes. Events in a row with the same movie and different types are one step, the newest of them. Age is 0 for the newest
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
        FROM embrec.user_acts(user_steps.user_index) AS o
        WHERE (user_steps.since IS NULL OR o.occurred_at >= user_steps.since)
            AND o.event_type <> ALL (
                ARRAY(SELECT t.event_type FROM embrec.event_types AS t WHERE t.kind = 'dislike' AND t.event_type <> 0)
            )
        WINDOW newest AS (ORDER BY o.occurred_at DESC NULLS LAST, o.place DESC, o.movie_index DESC)
    ) AS s
    WHERE s.newer_movie IS DISTINCT FROM s.movie_index OR s.newer_type = s.event_type
    ORDER BY s.position
    LIMIT user_steps.length;
END;
