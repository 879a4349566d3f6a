-- The health of the whole database, in one row that is cheap to poll. A table of ratings of less than 64 MB, about a
-- million, is counted. For a larger one ratings and newest_rating_at are estimates from the server's statistics and
-- the trainings, and ratings_estimated is true; so it is with events. Ratings since training are the ratings beyond those
-- that the published run was trained on; a rating that replaced another does not count. There is an order to learn, as a
-- training decides it, if there are events or most ratings have a time; a run knows it if it was trained to say what comes next.
CREATE OR REPLACE VIEW embrec.status AS
WITH large AS (
    -- With its partitions, if the host has given it some.
    SELECT
        t.table_oid = 'embrec.events'::regclass AS of_events,
        sum(pg_relation_size(c.oid)) >= 67108864 AS estimated,
        sum(coalesce(nullif(pg_stat_get_live_tuples(c.oid), 0), greatest(c.reltuples, 0)::bigint))::bigint AS rows,
        sum(pg_relation_size(c.oid))::bigint AS row_bytes,
        sum(pg_total_relation_size(c.oid))::bigint AS bytes
    FROM (VALUES ('embrec.ratings'::regclass), ('embrec.events'::regclass)) AS t (table_oid)
    JOIN pg_catalog.pg_class AS c
        ON c.oid = t.table_oid OR c.oid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(t.table_oid) AS p WHERE p.isleaf)
    GROUP BY t.table_oid
),
-- The newest times that ANALYZE met.
sampled AS (
    SELECT s.tablename, max(v.moment) AS newest
    FROM pg_catalog.pg_stats AS s
    CROSS JOIN unnest(s.most_common_vals::text::timestamptz[] || s.histogram_bounds::text::timestamptz[]) AS v (moment)
    WHERE s.schemaname = 'embrec' AND (s.tablename, s.attname) IN (('ratings', 'rated_at'), ('events', 'occurred_at'))
    GROUP BY s.tablename
),
-- Indexes are given out consecutively, so the highest one gives the number of rows.
known AS (
    SELECT
        (SELECT coalesce(max(u.user_index) + 1, 0) FROM embrec.users AS u) AS users,
        (SELECT coalesce(max(m.movie_index) + 1, 0) FROM embrec.movies AS m) AS movies,
        CASE WHEN l.estimated THEN l.rows ELSE r.rows END AS ratings,
        l.estimated AS ratings_estimated,
        l.bytes AS rating_bytes,
        CASE
            WHEN l.estimated
                THEN greatest(
                    (SELECT max(r.newest_rating_at) FROM embrec.model_runs AS r),
                    (SELECT s.newest FROM sampled AS s WHERE s.tablename = 'ratings')
                )
            ELSE r.newest
        END AS newest_rating_at,
        CASE
            WHEN l.estimated
                THEN (
                    SELECT s.null_frac < 0.5
                    FROM pg_catalog.pg_stats AS s
                    WHERE s.schemaname = 'embrec' AND s.tablename = 'ratings' AND s.attname = 'rated_at'
                )
            ELSE 2 * r.dated > r.rows
        END AS most_dated,
        CASE WHEN e.estimated THEN e.rows ELSE (SELECT count(*) FROM embrec.events AS v) END AS events,
        e.estimated AS events_estimated,
        e.bytes AS event_bytes,
        e.row_bytes AS event_row_bytes,
        CASE
            WHEN e.estimated
                THEN greatest(
                    (SELECT max(r.newest_event_at) FROM embrec.model_runs AS r),
                    (SELECT s.newest FROM sampled AS s WHERE s.tablename = 'events')
                )
            ELSE (SELECT max(v.occurred_at) FROM embrec.events AS v)
        END AS newest_event_at
    FROM large AS l
    JOIN large AS e ON e.of_events
    CROSS JOIN LATERAL (
        SELECT count(*) AS rows, count(o.rated_at) AS dated, max(o.rated_at) AS newest
        FROM embrec.ratings AS o
        WHERE NOT l.estimated
    ) AS r
    WHERE NOT l.of_events
),
-- The published run's; scalar subqueries let the planner open its partitions alone.
trained AS (
    SELECT
        r.model_run_id,
        r.architecture,
        p.published_at,
        r.finished_at,
        r.rating_count,
        coalesce(r.event_count, 0) AS event_count,
        r.lone_users,
        r.lone_movies,
        r.history_length IS NOT NULL AS knows_order,
        (
            SELECT max(e.user_index)
            FROM embrec.user_embeddings AS e
            WHERE e.model_run_id = (SELECT p.model_run_id FROM embrec.published_run AS p) AND e.part = 'rating'
        ) AS last_user,
        (
            SELECT count(*)
            FROM embrec.movies AS m
            WHERE NOT EXISTS (
                SELECT
                FROM embrec.movie_embeddings AS e
                WHERE e.model_run_id = (SELECT p.model_run_id FROM embrec.published_run AS p) AND e.part = 'rating'
                    AND e.movie_index = m.movie_index
            )
        ) AS movies_without_vectors
    FROM embrec.published_run AS p
    JOIN embrec.model_runs AS r ON r.model_run_id = p.model_run_id
),
stored AS (
    SELECT
        count(*) FILTER (WHERE s.state = 'training') AS trainings,
        count(*) FILTER (WHERE s.state = 'trained') AS trained_runs,
        count(*) FILTER (WHERE s.state = 'lost') AS lost_runs,
        coalesce(sum(s.vector_bytes), 0)::bigint AS vector_bytes
    FROM embrec.run_status AS s
)
SELECT
    current_database()::text AS database_name,
    current_setting('server_version') AS server_version,
    (SELECT v.version_num::text FROM embrec.alembic_version AS v) AS schema_revision,
    k.users,
    k.movies,
    k.ratings,
    k.ratings_estimated,
    k.newest_rating_at,
    (SELECT coalesce(sum(s.rating_count), 0)::bigint FROM embrec.movie_statistics AS s) AS ratings_in_statistics,
    t.model_run_id AS published_run,
    t.architecture,
    t.published_at,
    t.finished_at AS trained_at,
    k.ratings - t.rating_count AS ratings_since_training,
    (k.ratings - t.rating_count)::double precision / nullif(t.rating_count, 0) AS share_since_training,
    k.users - 1 - t.last_user AS users_since_training,
    t.movies_without_vectors,
    (SELECT e.name FROM embrec.experiments AS e WHERE e.ended_at IS NULL) AS experiment,
    s.trainings,
    s.trained_runs,
    s.lost_runs,
    pg_database_size(current_database()) AS database_bytes,
    k.rating_bytes,
    s.vector_bytes,
    t.lone_users,
    t.lone_movies,
    k.events,
    k.events_estimated,
    k.newest_event_at,
    (SELECT coalesce(sum(c.event_count), 0)::bigint FROM embrec.event_counts AS c) AS events_in_statistics,
    k.events - t.event_count AS events_since_training,
    (k.events - t.event_count)::double precision / nullif(t.event_count, 0) AS share_of_events_since_training,
    k.event_bytes,
    k.event_row_bytes,
    k.events > 0 OR coalesce(k.most_dated, false) AS has_order,
    t.knows_order
FROM known AS k
CROSS JOIN stored AS s
LEFT JOIN trained AS t ON true;
