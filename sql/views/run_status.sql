-- Every model run: its state, its role in serving, and its size. A run recorded as training is lost if its heartbeat is
-- older than two minutes.
CREATE OR REPLACE VIEW embrec.run_status AS
WITH stored AS (
    SELECT
        substring(c.relname FROM '_run_([0-9]+)_')::integer AS model_run_id,
        sum(greatest(c.reltuples, 0))::bigint AS vectors,
        sum(pg_total_relation_size(c.oid))::bigint AS vector_bytes
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'embrec' AND c.relkind = 'r' AND c.relname ~ '^(user|movie)_embeddings_run_[0-9]+_[a-z]+$'
    GROUP BY 1
),
indexed AS (
    SELECT
        i.model_run_id,
        -- The state of the worst one.
        (array_agg(i.state ORDER BY array_position('{invalid,missing,building,valid}'::text[], i.state)))[1] AS state
    FROM embrec.run_indexes AS i
    GROUP BY i.model_run_id
)
SELECT
    r.model_run_id,
    r.architecture,
    CASE WHEN r.status = 'training' AND r.heartbeat_at < now() - interval '2 minutes' THEN 'lost' ELSE r.status END AS state,
    r.model_run_id IS NOT DISTINCT FROM p.model_run_id AS published,
    e.name AS experiment,
    r.started_at,
    r.finished_at,
    r.heartbeat_at,
    now() - coalesce(r.finished_at, r.started_at) AS age,
    CASE r.status WHEN 'training' THEN r.progress END AS progress,
    r.user_count,
    r.movie_count,
    r.rating_count,
    r.metrics,
    s.vectors,
    s.vector_bytes,
    i.state AS indexes
FROM embrec.model_runs AS r
LEFT JOIN embrec.published_run AS p ON p.model_run_id = r.model_run_id
LEFT JOIN embrec.experiments AS e
    ON e.ended_at IS NULL AND r.model_run_id IN (e.control_run, e.treatment_run)
LEFT JOIN stored AS s ON s.model_run_id = r.model_run_id
LEFT JOIN indexed AS i ON i.model_run_id = r.model_run_id;
