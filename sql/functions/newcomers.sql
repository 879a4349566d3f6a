-- Return the movies that a run was trained without, with their newest thousand ratings (more take longer and change
-- little), and a fingerprint that changes if vectors folded in from them would: with the ratings of anybody who rated the
-- movie, with its side information, or with that of a trained movie.
CREATE OR REPLACE FUNCTION embrec.newcomers(model_run_id integer)
RETURNS TABLE (movie_index integer, user_indexes integer[], ratings real[], fingerprint bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH described AS MATERIALIZED (
        SELECT
            m.movie_index,
            hashtextextended(ROW(m.genres, m.release_year)::text, 0) AS description,
            e.movie_index IS NOT NULL AS trained
        FROM embrec.movies AS m
        LEFT JOIN embrec.movie_embeddings AS e
            ON e.model_run_id = newcomers.model_run_id AND e.part = 'rating' AND e.movie_index = m.movie_index AND NOT e.folded_in
    ),
    catalogue AS (
        SELECT bit_xor(hashint8extended(d.description, d.movie_index)) AS fingerprint FROM described AS d WHERE d.trained
    ),
    rated AS MATERIALIZED (
        SELECT o.movie_index, o.user_index, o.rating, o.place
        FROM (
            SELECT
                r.movie_index,
                r.user_index,
                r.rating,
                row_number() OVER (PARTITION BY r.movie_index ORDER BY r.rated_at DESC NULLS LAST, r.user_index) AS place
            FROM described AS d
            JOIN embrec.ratings AS r ON r.movie_index = d.movie_index
            WHERE NOT d.trained
        ) AS o
        WHERE o.place <= 1000
    ),
    raters AS (
        -- All ratings of a user, because one without a stored vector is folded in from them.
        SELECT u.user_index, hashint8extended(embrec.ratings_fingerprint(u.user_index), u.user_index) AS fingerprint
        FROM (SELECT DISTINCT r.user_index FROM rated AS r) AS u
    ),
    sums AS (
        SELECT
            r.movie_index,
            array_agg(r.user_index ORDER BY r.place) AS user_indexes,
            array_agg(r.rating ORDER BY r.place) AS ratings,
            bit_xor(u.fingerprint) AS fingerprint
        FROM rated AS r
        JOIN raters AS u ON u.user_index = r.user_index
        GROUP BY r.movie_index
    )
    SELECT
        d.movie_index,
        s.user_indexes,
        s.ratings,
        hashint8extended(d.description, coalesce(s.fingerprint, 0)) # coalesce(c.fingerprint, 0)
    FROM described AS d
    CROSS JOIN catalogue AS c
    LEFT JOIN sums AS s ON s.movie_index = d.movie_index
    WHERE NOT d.trained;
END;
