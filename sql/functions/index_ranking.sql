-- Give the ranking vectors of a run an approximate index for ranking movies, as index_run does. Ranking is by inner
-- product, whose graph falls apart if vectors differ in length. So one more coordinate makes each vector as long as the
-- longest; in a user's vector it is 0 (Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean
-- transformation for inner-product spaces", RecSys 2014).
CREATE OR REPLACE FUNCTION embrec.index_ranking(model_run_id integer)
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    name text := format('movie_embeddings_run_%s_preference', model_run_id);
    width integer;
    longest double precision;
BEGIN
    PERFORM embrec.require_own_run(index_ranking.model_run_id, '{training,trained}');
    EXECUTE format('SELECT max(vector_dims(embedding)), max(vector_norm(embedding) ^ 2) FROM embrec.%I', name)
    INTO width, longest;
    -- A movie that is folded in later may be longer still, and is found all the same.
    EXECUTE format(
        'CREATE INDEX IF NOT EXISTS %I ON embrec.%I USING hnsw'
        ' (((embedding || ARRAY[sqrt(greatest(%L - vector_norm(embedding) ^ 2, 0))]::vector)::vector(%s)) vector_ip_ops)',
        name || '_ranking', name, longest, width + 1
    );
END;
$$;
