-- Return the n users or movies nearest to a vector (vector_distance), among all of one part of a run but the one excluded,
-- and all that are as near as the last.
CREATE OR REPLACE FUNCTION embrec.nearest_of_all(
    side text, model_run_id integer, part embrec.part, excluded integer, own vector, shrunk boolean, n integer
)
RETURNS TABLE (near_index integer, distance double precision)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT e.%1$I, embrec.vector_distance($1, %2$s, %4$L) FROM embrec.%3$I AS e'
        ' WHERE e.%1$I <> $2 ORDER BY 2 FETCH FIRST $3 ROWS WITH TIES',
        side || '_index', embrec.vector_of(side), format('%s_embeddings_run_%s_%s', side, model_run_id, part), shrunk
    )
    USING own, excluded, n;
END;
$$;
