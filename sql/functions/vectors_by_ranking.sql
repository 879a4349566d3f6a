-- Return the item profile and the similarity vector of a movie that a run was trained without, from its ranking vector.
-- The similarity vector is the mean of those of the movies with the nearest ranking vectors, and the profile is as long
-- beside the ranking vector as theirs.
CREATE OR REPLACE FUNCTION embrec.vectors_by_ranking(model_run_id integer, preference vector)
RETURNS TABLE (profile vector, similarity vector)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH near AS MATERIALIZED (
        SELECT n.movie_index, vector_norm(n.embedding) AS length, greatest(1 - n.distance, 1e-3) ^ 4 AS weight
        FROM (
            SELECT e.movie_index, e.embedding <=> vectors_by_ranking.preference AS distance, e.embedding
            FROM embrec.movie_embeddings AS e
            WHERE e.model_run_id = vectors_by_ranking.model_run_id AND e.part = 'preference' AND NOT e.folded_in
            ORDER BY distance
            LIMIT 20
        ) AS n
    )
    SELECT
        embrec.scaled(
            vectors_by_ranking.preference,
            avg(vector_norm(p.embedding)) / avg(n.length) FILTER (WHERE p.embedding IS NOT NULL)
        ),
        sum(embrec.scaled(s.embedding, n.weight / t.total) ORDER BY n.movie_index)
    FROM near AS n
    CROSS JOIN (SELECT sum(o.weight) AS total FROM near AS o) AS t
    LEFT JOIN embrec.movie_embeddings AS p
        ON p.model_run_id = vectors_by_ranking.model_run_id AND p.part = 'profile' AND p.movie_index = n.movie_index
    LEFT JOIN embrec.movie_embeddings AS s
        ON s.model_run_id = vectors_by_ranking.model_run_id AND s.part = 'similarity' AND s.movie_index = n.movie_index;
END;
