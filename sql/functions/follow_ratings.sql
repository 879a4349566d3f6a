-- The trigger that keeps embrec.ratings in step with a table of the same database; follow_table() makes it. Rows that a
-- statement inserts, updates or deletes there are changed here in the same transaction. A role that writes to the table
-- needs no right on embrec, and its statement never fails because of embrec: changes that cannot be taken give a
-- warning.
CREATE OR REPLACE FUNCTION embrec.follow_ratings()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns text[] := ARRAY(SELECT unnest(TG_ARGV));
    before_users text[] := '{}';
    before_movies text[] := '{}';
    users text[] := '{}';
    movies text[] := '{}';
    ratings real[] := '{}';
    times timestamptz[] := '{}';
BEGIN
    IF TG_LEVEL <> 'STATEMENT' OR TG_WHEN <> 'AFTER' OR TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'embrec.follow_ratings is made a trigger by embrec.follow_table(table, columns...)'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF TG_OP <> 'INSERT' THEN
        EXECUTE format(
            'SELECT coalesce(array_agg(user_id), ''{}''), coalesce(array_agg(movie_id), ''{}'') FROM (%s) AS r',
            embrec.ratings_of_table(TG_RELID, columns, 'before_rows')
        ) INTO before_users, before_movies;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        EXECUTE format(
            'SELECT coalesce(array_agg(user_id), ''{}''), coalesce(array_agg(movie_id), ''{}''),'
            ' coalesce(array_agg(rating), ''{}''), coalesce(array_agg(rated_at), ''{}'') FROM (%s) AS r',
            embrec.ratings_of_table(TG_RELID, columns, 'after_rows')
        ) INTO users, movies, ratings, times;
    END IF;
    PERFORM embrec.user_index_of(n.user_id) FROM (SELECT DISTINCT unnest(users) AS user_id) AS n;
    PERFORM embrec.movie_index_of(n.movie_id) FROM (SELECT DISTINCT unnest(movies) AS movie_id) AS n;
    DELETE FROM embrec.ratings AS r
    USING (
        SELECT * FROM unnest(before_users, before_movies) AS b (user_id, movie_id)
        EXCEPT
        SELECT * FROM unnest(users, movies) AS n (user_id, movie_id)
    ) AS gone
    JOIN embrec.users AS u ON u.user_id = gone.user_id
    JOIN embrec.movies AS m ON m.movie_id = gone.movie_id
    WHERE r.user_index = u.user_index AND r.movie_index = m.movie_index;
    INSERT INTO embrec.ratings AS r (user_index, movie_index, rating, rated_at)
    SELECT u.user_index, m.movie_index, n.rating, n.rated_at
    FROM unnest(users, movies, ratings, times) AS n (user_id, movie_id, rating, rated_at)
    JOIN embrec.users AS u ON u.user_id = n.user_id
    JOIN embrec.movies AS m ON m.movie_id = n.movie_id
    ON CONFLICT ON CONSTRAINT ratings_pkey DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at
    WHERE (r.rating, r.rated_at) IS DISTINCT FROM (excluded.rating, excluded.rated_at);
    RETURN NULL;
EXCEPTION
    WHEN invalid_parameter_value THEN
        RAISE;
    WHEN OTHERS THEN
        RAISE WARNING 'embrec did not take these changes of %: %. To take them later: embrec load --from-table', TG_RELID::regclass, SQLERRM;
        RETURN NULL;
END;
$$;
