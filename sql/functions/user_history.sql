-- Return the newest n ratings and events of a user, newest first, in the order of user_acts, which is that of recommend_next. A
-- rating has the type 'rating' and itself as value. No rows for an unknown id.
CREATE OR REPLACE FUNCTION embrec.user_history(user_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.user_act
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT a.rank, m.movie_id, m.title, t.name, a.value, a.occurred_at
    FROM (
        SELECT
            o.*,
            (row_number() OVER (ORDER BY o.occurred_at DESC NULLS LAST, o.place DESC, o.movie_index DESC))::integer AS rank
        FROM embrec.users AS u
        CROSS JOIN embrec.user_acts(u.user_index) AS o
        WHERE u.user_id = user_history.user_id
        ORDER BY rank
        LIMIT user_history.n
    ) AS a
    JOIN embrec.movies AS m ON m.movie_index = a.movie_index
    JOIN embrec.event_types AS t ON t.event_type = a.event_type
    ORDER BY a.rank;
END;

CREATE OR REPLACE FUNCTION embrec.user_history(user_id anynonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.user_act
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT * FROM embrec.user_history(embrec.id_text(user_history.user_id), user_history.n);
$$;
