-- Apply changes of followed tables to events, in their order, one for an external id, a part of apply_followed. An event
-- whose type is NULL is gone. A type that is not known is added with the weight 1, as loads add it.
CREATE OR REPLACE FUNCTION embrec.apply_events(
    user_ids text[], movie_ids text[], external_ids text[], event_types text[], event_values real[], times timestamptz[]
)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning takes longer than applying the change of one row
AS $$
BEGIN
    PERFORM embrec.add_ids(array_agg(n.user_id), array_agg(n.movie_id))
    FROM unnest(user_ids, movie_ids, event_types) AS n (user_id, movie_id, event_type)
    WHERE n.event_type IS NOT NULL;
    IF EXISTS (SELECT FROM unnest(event_types) AS n (name) WHERE n.name NOT IN (SELECT t.name FROM embrec.event_types AS t)) THEN
        LOCK TABLE embrec.event_types IN SHARE ROW EXCLUSIVE MODE;
        INSERT INTO embrec.event_types (event_type, name)
        SELECT f.event_type, new.name
        FROM (
            SELECT n.name, row_number() OVER (ORDER BY min(n.place)) AS place
            FROM unnest(event_types) WITH ORDINALITY AS n (name, place)
            WHERE n.name IS NOT NULL AND NOT EXISTS (SELECT FROM embrec.event_types AS t WHERE t.name = n.name)
            GROUP BY n.name
        ) AS new
        LEFT JOIN embrec.free_event_types() AS f ON f.place = new.place
        ON CONFLICT DO NOTHING; -- so that an older snapshot is a serialization failure
    END IF;
    DELETE FROM embrec.events AS e
    USING unnest(external_ids, event_types) AS gone (external_id, event_type)
    WHERE gone.event_type IS NULL AND e.external_id = gone.external_id;
    INSERT INTO embrec.events AS e (user_index, movie_index, event_type, value, occurred_at, external_id)
    SELECT u.user_index, m.movie_index, t.event_type, n.value, n.occurred_at, n.external_id
    FROM unnest(user_ids, movie_ids, external_ids, event_types, event_values, times)
        WITH ORDINALITY AS n (user_id, movie_id, external_id, event_type, value, occurred_at, place)
    JOIN embrec.users AS u ON u.user_id = n.user_id
    JOIN embrec.movies AS m ON m.movie_id = n.movie_id
    JOIN embrec.event_types AS t ON t.name = n.event_type
    ORDER BY n.place
    ON CONFLICT (external_id) WHERE external_id IS NOT NULL DO UPDATE SET
        user_index = excluded.user_index, movie_index = excluded.movie_index, event_type = excluded.event_type,
        value = excluded.value, occurred_at = excluded.occurred_at
    WHERE (e.user_index, e.movie_index, e.event_type, e.value, e.occurred_at)
        IS DISTINCT FROM (excluded.user_index, excluded.movie_index, excluded.event_type, excluded.value, excluded.occurred_at);
END;
$$;
