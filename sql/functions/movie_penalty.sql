-- Return the ridge penalty of each coordinate of a movie's rating vector, the bias last. It is ridge_constant, which is
-- that of a user's coordinates, whose variance is one, over the variance of the coordinate among the trained movies. NULL
-- for a run without a fold-in.
CREATE OR REPLACE FUNCTION embrec.movie_penalty(model_run_id integer)
RETURNS vector
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT array_agg((r.ridge_constant / greatest(s.square - s.mean ^ 2, 1e-6 * r.ridge_constant))::real ORDER BY s.position)::vector
    FROM embrec.model_runs AS r
    CROSS JOIN LATERAL (
        SELECT avg(e.embedding || ARRAY[e.bias]::vector) AS mean, avg((e.embedding * e.embedding) || ARRAY[e.bias ^ 2]::vector) AS square
        FROM embrec.movie_embeddings AS e
        WHERE e.model_run_id = movie_penalty.model_run_id AND e.part = 'rating' AND NOT e.folded_in AND r.user_vectors = 'fold_in'
    ) AS m
    CROSS JOIN LATERAL unnest(m.mean::real[], m.square::real[]) WITH ORDINALITY AS s (mean, square, position)
    WHERE r.model_run_id = movie_penalty.model_run_id;
END;
