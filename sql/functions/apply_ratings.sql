-- Apply changes of followed tables to ratings, one for a user and movie, a part of apply_followed. A rating that is NULL
-- is gone.
CREATE OR REPLACE FUNCTION embrec.apply_ratings(user_ids text[], movie_ids text[], ratings real[], times timestamptz[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning takes longer than applying the change of one row
AS $$
BEGIN
    PERFORM embrec.add_ids(array_agg(n.user_id), array_agg(n.movie_id))
    FROM unnest(user_ids, movie_ids, ratings) AS n (user_id, movie_id, rating)
    WHERE n.rating IS NOT NULL;
    DELETE FROM embrec.ratings AS r
    USING unnest(user_ids, movie_ids, ratings) AS gone (user_id, movie_id, rating), embrec.users AS u, embrec.movies AS m
    WHERE gone.rating IS NULL AND u.user_id = gone.user_id AND m.movie_id = gone.movie_id
        AND r.user_index = u.user_index AND r.movie_index = m.movie_index;
    -- In the order of the key, so that two transactions lock rows in the same order.
    INSERT INTO embrec.ratings AS r (user_index, movie_index, rating, rated_at)
    SELECT u.user_index, m.movie_index, n.rating, n.rated_at
    FROM unnest(user_ids, movie_ids, ratings, times) AS n (user_id, movie_id, rating, rated_at)
    JOIN embrec.users AS u ON u.user_id = n.user_id
    JOIN embrec.movies AS m ON m.movie_id = n.movie_id
    WHERE n.rating IS NOT NULL
    ORDER BY u.user_index, m.movie_index
    ON CONFLICT ON CONSTRAINT ratings_pkey DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at
    WHERE (r.rating, r.rated_at) IS DISTINCT FROM (excluded.rating, excluded.rated_at);
END;
$$;
