-- Apply the changes of followed tables that are not in embrec.ratings yet: those of this transaction, and those that had
-- to wait. Returns the number of ratings that they were about.
CREATE OR REPLACE FUNCTION embrec.apply_followed()
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning takes longer than applying the change of one row
AS $$
DECLARE
    users text[];
    movies text[];
    given real[];
    times timestamptz[];
    new_users text[];
    new_movies text[];
BEGIN
    -- Before any work: a load may hold the tables for minutes. Changes that wait are applied by one session at a time.
    IF EXISTS (SELECT FROM embrec.followed_changes AS f WHERE f.waiting) THEN
        LOCK TABLE embrec.users, embrec.movies IN SHARE ROW EXCLUSIVE MODE;
    ELSIF NOT EXISTS (SELECT FROM embrec.followed_changes AS f WHERE f.transaction_id = txid_current_if_assigned()) THEN
        RETURN 0;
    END IF;
    LOCK TABLE embrec.ratings IN ROW EXCLUSIVE MODE;
    WITH taken AS (
        DELETE FROM embrec.followed_changes AS f
        WHERE f.change_id IN (
            SELECT own.change_id FROM embrec.followed_changes AS own WHERE own.transaction_id = txid_current() AND NOT own.waiting
            UNION ALL
            SELECT other.change_id FROM embrec.followed_changes AS other WHERE other.waiting
        )
        RETURNING f.change_id, f.user_ids, f.movie_ids, f.ratings, f.times
    ),
    newest AS (
        -- The scale may be newer than the change. A rating that is not on it is left out, and an earlier one goes.
        SELECT DISTINCT ON (c.user_id, c.movie_id)
            c.user_id, c.movie_id, embrec.as_rating(c.rating, b.lowest, b.highest) AS rating, c.rated_at
        FROM taken AS t
        CROSS JOIN embrec.rating_bounds() AS b
        CROSS JOIN unnest(t.user_ids, t.movie_ids, t.ratings, t.times) AS c (user_id, movie_id, rating, rated_at)
        ORDER BY c.user_id, c.movie_id, t.change_id DESC
    )
    SELECT array_agg(n.user_id), array_agg(n.movie_id), array_agg(n.rating), array_agg(n.rated_at)
    INTO users, movies, given, times
    FROM newest AS n;
    IF users IS NULL THEN
        RETURN 0;
    END IF;
    new_users := ARRAY(
        SELECT DISTINCT n.id
        FROM unnest(users, given) AS n (id, rating)
        WHERE n.rating IS NOT NULL AND NOT EXISTS (SELECT FROM embrec.users AS u WHERE u.user_id = n.id)
    );
    new_movies := ARRAY(
        SELECT DISTINCT n.id
        FROM unnest(movies, given) AS n (id, rating)
        WHERE n.rating IS NOT NULL AND NOT EXISTS (SELECT FROM embrec.movies AS m WHERE m.movie_id = n.id)
    );
    IF cardinality(new_users) + cardinality(new_movies) > 0 THEN
        -- As in user_index_of: one transaction at a time gives out indexes.
        LOCK TABLE embrec.users, embrec.movies IN SHARE ROW EXCLUSIVE MODE;
        INSERT INTO embrec.users (user_index, user_id)
        SELECT (SELECT coalesce(max(u.user_index), -1) FROM embrec.users AS u) + row_number() OVER (ORDER BY length(n.id), n.id), n.id
        FROM unnest(new_users) AS n (id)
        WHERE NOT EXISTS (SELECT FROM embrec.users AS u WHERE u.user_id = n.id)
        ON CONFLICT DO NOTHING; -- so that an older snapshot is a serialization failure
        INSERT INTO embrec.movies (movie_index, movie_id)
        SELECT (SELECT coalesce(max(m.movie_index), -1) FROM embrec.movies AS m) + row_number() OVER (ORDER BY length(n.id), n.id), n.id
        FROM unnest(new_movies) AS n (id)
        WHERE NOT EXISTS (SELECT FROM embrec.movies AS m WHERE m.movie_id = n.id)
        ON CONFLICT DO NOTHING;
    END IF;
    DELETE FROM embrec.ratings AS r
    USING unnest(users, movies, given) AS gone (user_id, movie_id, rating), embrec.users AS u, embrec.movies AS m
    WHERE gone.rating IS NULL AND u.user_id = gone.user_id AND m.movie_id = gone.movie_id
        AND r.user_index = u.user_index AND r.movie_index = m.movie_index;
    -- In the order of the key, so that two transactions lock rows in the same order.
    INSERT INTO embrec.ratings AS r (user_index, movie_index, rating, rated_at)
    SELECT u.user_index, m.movie_index, n.rating, n.rated_at
    FROM unnest(users, movies, given, times) AS n (user_id, movie_id, rating, rated_at)
    JOIN embrec.users AS u ON u.user_id = n.user_id
    JOIN embrec.movies AS m ON m.movie_id = n.movie_id
    WHERE n.rating IS NOT NULL
    ORDER BY u.user_index, m.movie_index
    ON CONFLICT ON CONSTRAINT ratings_pkey DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at
    WHERE (r.rating, r.rated_at) IS DISTINCT FROM (excluded.rating, excluded.rated_at);
    RETURN cardinality(users);
END;
$$;
