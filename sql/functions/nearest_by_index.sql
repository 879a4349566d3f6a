-- Return the n users or movies nearest to one (vector_distance), in the answering run, by its approximate index
-- (embrec.embeddings makes one for 50,000 vectors or more). If the index finds fewer, all are compared. The index has
-- rounded vectors, so it is asked for twice as many, and those are sorted by the exact vectors.
CREATE OR REPLACE FUNCTION embrec.nearest_by_index(side text, own_index integer, n integer)
RETURNS TABLE (near_index integer, distance double precision)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    run record;
    leaf text;
    compared text := embrec.vector_of(side);
    distance text;
    key text;
    own vector;
    before text[];
    found integer[];
    distances double precision[];
BEGIN
    SELECT
        p.model_run_id,
        CASE side WHEN 'user' THEN p.user_similarity ELSE p.movie_similarity END AS part,
        side = 'movie' AND p.shrunk_similarity AS shrunk
    INTO run
    FROM embrec.answering_run AS p;
    leaf := format('embrec.%s_embeddings_run_%s_%s', side, run.model_run_id, run.part);
    EXECUTE format('SELECT %s FROM %s WHERE model_run_id = $1 AND part = $2 AND %I = $3', compared, leaf, side || '_index')
    INTO own USING run.model_run_id, run.part, own_index;
    IF own IS NULL OR n <= 0 THEN
        RETURN;
    END IF;
    distance := format('embrec.vector_distance($1, %s, %L)', compared, run.shrunk);
    SELECT
        format(
            CASE WHEN run.shrunk THEN '%s <#> $1::%s' ELSE '%s <=> l2_normalize($1)::%s' END,
            pg_get_indexdef(a.attrelid, 1, false),
            format_type(a.atttypid, a.atttypmod)
        )
    INTO key
    FROM pg_attribute AS a
    WHERE a.attrelid = to_regclass(leaf || '_hnsw') AND a.attnum = 1;
    -- Set here, not by the function's clauses: these settings exist only once pgvector is loaded, as it is by now. With so
    -- many candidates 99 in 100 of the nearest ten are found, among a million users too; the scan goes on where more are wanted.
    before := ARRAY[current_setting('hnsw.ef_search'), current_setting('hnsw.iterative_scan')];
    PERFORM
        set_config('hnsw.ef_search', least(greatest(2 * n::bigint, CASE side WHEN 'user' THEN 50 ELSE 80 END), 1000)::text, true),
        set_config('hnsw.iterative_scan', 'strict_order', true);
    EXECUTE format(
        'SELECT array_agg(near.found ORDER BY near.distance, near.found), array_agg(near.distance ORDER BY near.distance, near.found)'
        ' FROM (SELECT %1$I AS found, %2$s AS distance FROM %3$s ORDER BY %4$s LIMIT $2) AS near WHERE near.found <> $3',
        side || '_index', distance, leaf, coalesce(key, distance) -- NULL where the index came after the statement began
    ) INTO found, distances USING own, 2 * n::bigint + 1, own_index;
    PERFORM set_config('hnsw.ef_search', before[1], true), set_config('hnsw.iterative_scan', before[2], true);
    IF coalesce(cardinality(found), 0) >= n THEN
        RETURN QUERY SELECT t.found, t.distance FROM unnest(found, distances) AS t (found, distance) LIMIT n;
    ELSE
        RETURN QUERY SELECT a.* FROM embrec.nearest_of_all(side, run.model_run_id, run.part, own_index, own, run.shrunk, n) AS a;
    END IF;
END;
$$;
