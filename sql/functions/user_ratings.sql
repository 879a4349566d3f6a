-- A user's n newest ratings; those without a time come last, the highest first. No rows for an unknown id.
CREATE OR REPLACE FUNCTION embrec.user_ratings(user_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.rated_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        (row_number() OVER (ORDER BY r.rated_at DESC NULLS LAST, r.rating DESC, m.movie_id COLLATE "C"))::integer AS rank,
        m.movie_id,
        m.title,
        r.rating,
        r.rated_at
    FROM embrec.ratings AS r
    JOIN embrec.movies AS m ON m.movie_index = r.movie_index
    WHERE r.user_index = (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = user_ratings.user_id)
    ORDER BY rank
    LIMIT user_ratings.n;
END;

CREATE OR REPLACE FUNCTION embrec.user_ratings(user_id anynonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.rated_movie
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT * FROM embrec.user_ratings(embrec.id_text(user_ratings.user_id), user_ratings.n);
$$;
