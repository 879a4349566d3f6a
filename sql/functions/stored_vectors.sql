-- Return the stored vectors of some users or movies, of one part of a run; of all, if no indexes are given. It reads the run's own partition by its name:
-- a query of the partitioned table would lock the partitions of all runs that are kept. No rows for a part that the run
-- has not. The fingerprint is a user's.
CREATE OR REPLACE FUNCTION embrec.stored_vectors(side text, model_run_id integer, part embrec.part, indexes integer[])
RETURNS TABLE (index integer, embedding vector, bias real, spread real, fingerprint bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $$
DECLARE
    leaf text := format('embrec.%I', format('%s_embeddings_run_%s_%s', side, model_run_id, part));
BEGIN
    IF to_regclass(leaf) IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT e.%1$I, %2$s, e.bias, e.spread, %3$s FROM %4$s AS e'
        ' WHERE e.model_run_id = %5$s AND e.part = %6$L %7$s',
        side || '_index', embrec.vector_of(side), CASE side WHEN 'user' THEN 'e.fingerprint' ELSE 'NULL::bigint' END, leaf, model_run_id, part,
        CASE WHEN indexes IS NOT NULL THEN format('AND e.%I = ANY ($1)', side || '_index') END
    )
    USING indexes;
END;
$$;
