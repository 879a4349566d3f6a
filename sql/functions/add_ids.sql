-- Give indexes to those of these users and movies that have none, shorter ids first. As in user_index_of, one transaction
-- at a time gives out indexes.
CREATE OR REPLACE FUNCTION embrec.add_ids(user_ids text[], movie_ids text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    new_users text[] := ARRAY(
        SELECT DISTINCT n.id FROM unnest(user_ids) AS n (id) WHERE NOT EXISTS (SELECT FROM embrec.users AS u WHERE u.user_id = n.id)
    );
    new_movies text[] := ARRAY(
        SELECT DISTINCT n.id FROM unnest(movie_ids) AS n (id) WHERE NOT EXISTS (SELECT FROM embrec.movies AS m WHERE m.movie_id = n.id)
    );
BEGIN
    IF cardinality(new_users) + cardinality(new_movies) = 0 THEN
        RETURN;
    END IF;
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
END;
$$;
