-- Return a digest of a run's movie vectors and layers as training stored them, as SHA-256 in hex: publishing compares
-- it with the one on record. Movies that came later are not included, nor are users, who may be forgotten.
CREATE OR REPLACE FUNCTION embrec.run_digest(model_run_id integer)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH movies AS (
        SELECT string_agg(
            sha256(int4send(e.movie_index) || float4send(coalesce(e.bias, 0)) || float4send(coalesce(e.spread, 0)) || vector_send(e.embedding)),
            ''::bytea ORDER BY e.part, e.movie_index
        ) AS digests
        FROM embrec.movie_embeddings AS e
        WHERE e.model_run_id = run_digest.model_run_id AND NOT e.folded_in
    ),
    layers AS (
        SELECT string_agg(
            sha256(int4send(m.row_number) || float4send(coalesce(m.bias, 0)) || vector_send(m.embedding)),
            ''::bytea ORDER BY m.matrix, m.row_number
        ) AS digests
        FROM embrec.run_matrices AS m
        WHERE m.model_run_id = run_digest.model_run_id
    )
    SELECT encode(sha256(coalesce(movies.digests, '') || coalesce(layers.digests, '')), 'hex') FROM movies CROSS JOIN layers;
END;
