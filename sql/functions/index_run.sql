-- Give a part of a run an approximate index for its similarity: by inner product if lengths count, else by cosine. Readers
-- are not held up. The graph is built in the session's maintenance_work_mem, 2 kB per vector, and slowly if that is too
-- small. Its vectors are rounded to half precision: half the memory to search, for the same answers. Movies' vectors vary
-- along many principal components, so their graph is denser than pgvector's default, which would miss neighbours. Users'
-- vary along few. Users who are forgotten meanwhile lose their vectors at the end, because forget_user does not wait for
-- an index.
CREATE OR REPLACE FUNCTION embrec.index_run(model_run_id integer, side text, part embrec.part)
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    name text := format('%s_embeddings_run_%s_%s', side, model_run_id, part);
    compared text := embrec.vector_of(side);
    width integer;
    shrunk boolean := (
        SELECT side = 'movie' AND coalesce(r.shrunk_similarity, false) FROM embrec.model_runs AS r WHERE r.model_run_id = index_run.model_run_id
    );
BEGIN
    PERFORM embrec.require_own_run(index_run.model_run_id, '{training,trained}');
    IF side = 'user' THEN
        -- By part, because forget_user takes the index of a part for the sign that its transaction has ended.
        PERFORM pg_advisory_xact_lock(hashtext('embrec.index_run ' || part), model_run_id);
    END IF;
    IF to_regclass(format('embrec.%I', name || '_hnsw')) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT vector_dims(%s) FROM embrec.%I LIMIT 1', compared, name) INTO width;
    EXECUTE format(
        CASE WHEN shrunk
            THEN 'CREATE INDEX %I ON embrec.%I USING hnsw ((%s::halfvec(%s)) halfvec_ip_ops)%s'
            ELSE 'CREATE INDEX %I ON embrec.%I USING hnsw ((l2_normalize(%s)::halfvec(%s)) halfvec_cosine_ops)%s'
        END,
        name || '_hnsw', name, compared, width, CASE side WHEN 'movie' THEN ' WITH (m = 24, ef_construction = 200)' END
    );
    IF side = 'user' THEN
        PERFORM embrec.delete_forgotten(index_run.model_run_id);
    END IF;
END;
$$;
