-- Problems that need attention, each with its fix: a command for the shell, or an SQL statement, which ends with a
-- semicolon.
CREATE OR REPLACE VIEW embrec.warnings AS
WITH s AS MATERIALIZED (SELECT * FROM embrec.status)
SELECT 'no_ratings' AS code, 'There are no ratings and no events.' AS message, 'embrec load ml-100k' AS command
FROM s
WHERE s.ratings = 0 AND s.events = 0
UNION ALL
SELECT
    'no_run',
    format('There are %s, and no trained model run.', CASE WHEN s.ratings > 0 THEN 'ratings' ELSE 'events' END),
    'embrec train'
FROM s
WHERE s.ratings + s.events > 0 AND s.trained_runs = 0 AND s.trainings = 0
UNION ALL
SELECT
    'unpublished',
    format('Model run %s is trained, and no run is published.', max(r.model_run_id)),
    format('embrec runs publish %s', max(r.model_run_id))
FROM s
JOIN embrec.run_status AS r ON r.state = 'trained'
WHERE s.published_run IS NULL
HAVING count(*) > 0
UNION ALL
SELECT
    'many_new_ratings',
    format('%s%% of ratings came after the training of the published run.', round(100 * s.ratings_since_training / s.ratings)),
    'embrec train'
FROM s
WHERE s.share_since_training >= 0.1
UNION ALL
SELECT
    'many_new_events',
    format('%s%% of events came after the training of the published run.', round(100 * s.events_since_training / s.events)),
    'embrec train'
FROM s
WHERE s.events_since_training > 0 AND coalesce(s.share_of_events_since_training, 1) >= 0.1
UNION ALL
SELECT
    'movies_without_vectors',
    format('Movies without a vector in the published run, which are not recommended: %s.', s.movies_without_vectors),
    'embrec refresh'
FROM s
WHERE s.movies_without_vectors > 0
UNION ALL
SELECT
    'statistics_stale',
    format('Popular movies are of %s %s, and there are %s.', c.counted, c.things, c.number),
    CASE WHEN s.published_run IS NULL THEN 'SELECT embrec.refresh_statistics();' ELSE 'embrec refresh' END
FROM s
CROSS JOIN LATERAL (
    VALUES ('ratings', s.ratings, s.ratings_in_statistics), ('events', s.events, s.events_in_statistics)
) AS c (things, number, counted)
WHERE abs(c.number - c.counted) > 0.1 * c.number
UNION ALL
SELECT 'index_' || i.state, format('The index %s of model run %s is %s, so that its answers are slow.', i.index_name, i.model_run_id, i.state), i.mended_by
FROM embrec.run_indexes AS i
JOIN embrec.run_status AS r ON r.model_run_id = i.model_run_id
WHERE i.state IN ('missing', 'invalid') AND (r.published OR r.experiment IS NOT NULL)
UNION ALL
SELECT 'training_failed', format('The newest training failed, model run %s.', r.model_run_id), format('embrec runs show %s', r.model_run_id)
FROM embrec.run_status AS r
WHERE r.state = 'failed' AND r.model_run_id = (SELECT max(m.model_run_id) FROM embrec.model_runs AS m)
UNION ALL
SELECT 'lost_run', format('The process of model run %s is gone.', r.model_run_id), 'embrec gc'
FROM embrec.run_status AS r
WHERE r.state = 'lost'
UNION ALL
SELECT 'left_over', format('Model run %s is %s, and its vectors are still there (%s).', r.model_run_id, r.state, pg_size_pretty(r.vector_bytes)), 'embrec gc'
FROM embrec.run_status AS r
WHERE r.state IN ('failed', 'deleted') AND r.vector_bytes > 0
UNION ALL
SELECT
    'not_followed',
    format('Changes of the table %s are not all followed: %s.', f.table_name, f.fault),
    format('SELECT embrec.follow_table(%L, %s);', f.table_name, (
        SELECT string_agg(quote_nullable(c.name), ', ' ORDER BY c.place)
        FROM unnest(f.column_names) WITH ORDINALITY AS c (name, place)
    ))
FROM embrec.followed_tables AS f
WHERE f.fault IS NOT NULL
UNION ALL
SELECT
    'changes_waiting',
    format('Changes of followed tables met a lock and wait, by %s statements.', count(*)),
    'SELECT embrec.apply_followed();'
FROM embrec.followed_changes AS c
WHERE c.waiting
HAVING count(*) > 0
UNION ALL
SELECT
    'logical_replication',
    format('The publication %s has the vectors of runs, which no logical subscriber can apply; a streaming standby answers.', p.name),
    CASE
        WHEN p.puballtables THEN format('DROP PUBLICATION %I;', p.name)
        WHEN EXISTS (
            SELECT
            FROM pg_catalog.pg_publication_namespace AS n
            WHERE n.pnpubid = p.oid AND n.pnnspid = 'embrec'::regnamespace
        ) THEN format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA embrec;', p.name)
        ELSE (
            SELECT format('ALTER PUBLICATION %I DROP TABLE %s;', p.name, string_agg(r.prrelid::regclass::text, ', '))
            FROM pg_catalog.pg_publication_rel AS r
            WHERE r.prpubid = p.oid AND r.prrelid IN ('embrec.movie_embeddings'::regclass, 'embrec.user_embeddings'::regclass)
        )
    END
FROM (
    -- A name has another collation than the other rows' texts.
    SELECT n.oid, n.puballtables, n.pubname::text COLLATE "default" AS name FROM pg_catalog.pg_publication AS n
) AS p
WHERE
    p.puballtables
    OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace AS n WHERE n.pnpubid = p.oid AND n.pnnspid = 'embrec'::regnamespace)
    OR EXISTS (
        SELECT
        FROM pg_catalog.pg_publication_rel AS r
        WHERE r.prpubid = p.oid AND r.prrelid IN ('embrec.movie_embeddings'::regclass, 'embrec.user_embeddings'::regclass)
    )
UNION ALL
SELECT 'old_runs', format('%s trained runs are kept, %s in all.', s.trained_runs, pg_size_pretty(s.vector_bytes)), 'embrec gc --keep 5'
FROM s
WHERE s.trained_runs > 10;
