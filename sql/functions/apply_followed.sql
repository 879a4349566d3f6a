-- Apply the changes of followed tables that are not in embrec.ratings and embrec.events yet: those of this transaction,
-- and those that had to wait. Returns the number of ratings and events that they were about.
CREATE OR REPLACE FUNCTION embrec.apply_followed()
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning takes longer than applying the change of one row
AS $$
DECLARE
    found record;
    changed record;
BEGIN
    SELECT
        bool_or(f.waiting) AS waiting,
        bool_or(num_nonnulls(f.event_types, f.external_ids) = 0) AS of_ratings,
        bool_or(num_nonnulls(f.event_types, f.external_ids) > 0) AS of_events
    INTO found
    FROM embrec.followed_changes AS f
    WHERE f.waiting OR f.transaction_id = txid_current_if_assigned();
    IF found.waiting IS NULL THEN
        RETURN 0;
    END IF;
    -- Before any work: a load may hold the tables for minutes. It locks them in this order too.
    IF found.of_ratings THEN
        LOCK TABLE embrec.ratings IN ROW EXCLUSIVE MODE;
    END IF;
    IF found.of_events THEN
        LOCK TABLE embrec.events IN ROW EXCLUSIVE MODE;
    END IF;
    IF found.waiting THEN
        -- Changes that wait are applied by one session at a time.
        LOCK TABLE embrec.users, embrec.movies IN SHARE ROW EXCLUSIVE MODE;
    END IF;
    WITH taken AS (
        DELETE FROM embrec.followed_changes AS f
        WHERE f.change_id IN (
            SELECT own.change_id FROM embrec.followed_changes AS own WHERE own.transaction_id = txid_current() AND NOT own.waiting
            UNION ALL
            SELECT other.change_id FROM embrec.followed_changes AS other WHERE other.waiting
        )
        RETURNING f.*
    ),
    changes AS MATERIALIZED (
        SELECT t.change_id, c.*
        FROM taken AS t
        CROSS JOIN unnest(
            t.user_ids, t.movie_ids, t.ratings, t.times, t.event_types, t.event_values, t.external_ids
        ) WITH ORDINALITY AS c (user_id, movie_id, rating, moment, event_type, value, external_id, place)
    ),
    newest_ratings AS (
        -- The scale may be newer than the change. A rating that is not on it is left out, and an earlier one goes.
        SELECT DISTINCT ON (c.user_id, c.movie_id)
            c.user_id, c.movie_id, embrec.as_rating(c.rating, b.lowest, b.highest) AS rating, c.moment
        FROM changes AS c
        CROSS JOIN embrec.rating_bounds() AS b
        WHERE c.event_type IS NULL AND c.external_id IS NULL
        ORDER BY c.user_id, c.movie_id, c.change_id DESC
    ),
    newest_events AS (
        -- All events without an external id are kept.
        SELECT c.*
        FROM (
            SELECT
                c.*,
                row_number() OVER (PARTITION BY c.external_id ORDER BY c.change_id DESC, c.place DESC) AS age
            FROM changes AS c
            WHERE num_nonnulls(c.event_type, c.external_id) > 0
        ) AS c
        WHERE c.age = 1 OR c.external_id IS NULL
    )
    SELECT r.*, e.*
    INTO changed
    FROM (
        SELECT
            array_agg(n.user_id) AS raters,
            array_agg(n.movie_id) AS rated,
            array_agg(n.rating) AS ratings,
            array_agg(n.moment) AS rated_at
        FROM newest_ratings AS n
    ) AS r
    CROSS JOIN (
        SELECT
            array_agg(n.user_id ORDER BY n.change_id, n.place) AS users,
            array_agg(n.movie_id ORDER BY n.change_id, n.place) AS movies,
            array_agg(n.external_id ORDER BY n.change_id, n.place) AS external_ids,
            array_agg(n.event_type ORDER BY n.change_id, n.place) AS types,
            array_agg(n.value ORDER BY n.change_id, n.place) AS values,
            array_agg(n.moment ORDER BY n.change_id, n.place) AS times
        FROM newest_events AS n
    ) AS e;
    IF changed.raters IS NOT NULL THEN
        PERFORM embrec.apply_ratings(changed.raters, changed.rated, changed.ratings, changed.rated_at);
    END IF;
    IF changed.users IS NOT NULL THEN
        PERFORM embrec.apply_events(
            changed.users, changed.movies, changed.external_ids, changed.types, changed.values, changed.times
        );
    END IF;
    RETURN coalesce(cardinality(changed.raters), 0) + coalesce(cardinality(changed.users), 0);
END;
$$;
