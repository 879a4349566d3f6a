-- The approximate indexes that trained runs have, or should have because they have 50,000 movies or more; that of users
-- is made if somebody asks for it (embrec runs index-users). A statement
-- fixes an index that is missing or invalid; until then answers are right, but slower. It sets the memory that the graph
-- needs, about 2 kB per vector, or building would take many times as long. The number of vectors is an estimate, as of
-- the last vacuum.
CREATE OR REPLACE VIEW embrec.run_indexes AS
SELECT
    r.model_run_id,
    wanted.name AS index_name,
    t.relname::text AS table_name,
    t.reltuples::bigint AS vectors,
    CASE
        WHEN i.indisvalid THEN 'valid'
        WHEN i.indexrelid IS NOT NULL THEN 'invalid'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS b WHERE b.relid = t.oid) THEN 'building'
        ELSE 'missing'
    END AS state,
    CASE WHEN i.indexrelid IS NOT NULL AND NOT i.indisvalid THEN format('DROP INDEX embrec.%I; ', wanted.name) ELSE '' END
        || format('SET maintenance_work_mem = ''%sMB''; ', least(64 + t.reltuples::bigint / 500, 2048))
        || format('SELECT embrec.index_run(%s, %L, %L);', r.model_run_id, wanted.side, wanted.part) AS mended_by
FROM embrec.model_runs AS r
CROSS JOIN LATERAL (
    SELECT
        w.*,
        format('%s_embeddings_run_%s_%s', w.side, r.model_run_id, w.part) AS table_name,
        format('%s_embeddings_run_%s_%s_hnsw', w.side, r.model_run_id, w.part) AS name
    FROM (VALUES ('movie', r.movie_similarity), ('user', r.user_similarity)) AS w (side, part)
) AS wanted
JOIN pg_catalog.pg_class AS t ON t.oid = to_regclass('embrec.' || wanted.table_name)
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = to_regclass('embrec.' || wanted.name)
WHERE r.status = 'trained' AND (wanted.side = 'movie' AND t.reltuples >= 50000 OR i.indexrelid IS NOT NULL);
