-- Check whether a run's maps read the movies' content vectors: it was trained with some, and at most half of those have
-- changed since. A map is good for vectors of the same model alone, so after content of another is loaded a run needs training.
CREATE OR REPLACE FUNCTION embrec.reads_content(model_run_id integer)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT r.content_dimensions IS NOT NULL AND (
        SELECT 2 * count(*) FILTER (
            WHERE c.changed_at > r.started_at OR vector_dims(c.embedding) <> r.content_dimensions
        ) <= count(*)
        FROM embrec.movie_content AS c
        JOIN embrec.movie_embeddings AS e
            ON e.model_run_id = reads_content.model_run_id AND e.part = 'rating' AND e.movie_index = c.movie_index
        WHERE NOT e.folded_in
    )
    FROM embrec.model_runs AS r
    WHERE r.model_run_id = reads_content.model_run_id;
END;
