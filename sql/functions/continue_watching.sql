-- Return the movies that a user may go on with: those started and not finished, newest first, with the basis 'started'; then
-- those watched more than once, most often first, with the basis 'repeated'. An event of the kind start starts a movie, and one
-- of the kind finish, or a rating, ends it. A disliked movie is left out. Steps are the user's events of the movie, as in
-- user_steps. No rows for an unknown id.
CREATE OR REPLACE FUNCTION embrec.continue_watching(user_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.continued_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH own AS (
        SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = continue_watching.user_id
    ),
    happened AS (
        SELECT
            a.movie_index,
            a.occurred_at,
            t.kind,
            t.event_type = 0 AS rated,
            row_number() OVER (ORDER BY a.occurred_at DESC NULLS LAST, a.place DESC, a.movie_index DESC) AS age
        FROM own AS o
        CROSS JOIN embrec.user_acts(o.user_index) AS a
        JOIN embrec.event_types AS t ON t.event_type = a.event_type
    ),
    going_on AS (
        SELECT
            h.movie_index,
            min(h.age) AS newest,
            coalesce(min(h.age) FILTER (WHERE h.kind = 'start') < coalesce(
                min(h.age) FILTER (WHERE h.kind = 'finish' OR h.rated), 9223372036854775807
            ), false) AS unfinished,
            max(h.occurred_at) AS last_at
        FROM happened AS h
        GROUP BY h.movie_index
        HAVING NOT bool_or(h.kind = 'dislike')
    ),
    repeated AS (
        SELECT s.movie_index, count(*) AS steps
        FROM own AS o
        CROSS JOIN embrec.user_steps(o.user_index, NULL, NULL) AS s
        WHERE s.event_type <> 0
        GROUP BY s.movie_index
    )
    SELECT
        (row_number() OVER (ORDER BY NOT g.unfinished, CASE WHEN NOT g.unfinished THEN -s.steps END, g.newest))::integer AS rank,
        m.movie_id,
        m.title,
        CASE WHEN g.unfinished THEN 'started' ELSE 'repeated' END,
        coalesce(s.steps, 0),
        g.last_at
    FROM going_on AS g
    JOIN embrec.movies AS m ON m.movie_index = g.movie_index
    LEFT JOIN repeated AS s ON s.movie_index = g.movie_index
    WHERE g.unfinished OR s.steps > 1
    ORDER BY rank
    LIMIT continue_watching.n;
END;

CREATE OR REPLACE FUNCTION embrec.continue_watching(user_id anynonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.continued_movie
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT * FROM embrec.continue_watching(embrec.id_text(continue_watching.user_id), continue_watching.n);
$$;
