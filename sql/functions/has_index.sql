-- Check whether the vectors by which the answering run compares users, or movies, have an approximate index.
CREATE OR REPLACE FUNCTION embrec.has_index(side text)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT to_regclass(
        format(
            'embrec.%s_embeddings_run_%s_%s_hnsw',
            has_index.side,
            p.model_run_id,
            CASE has_index.side WHEN 'user' THEN p.user_similarity ELSE p.movie_similarity END
        )
    ) IS NOT NULL
    FROM embrec.answering_run AS p;
END;
