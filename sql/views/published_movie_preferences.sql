-- The vectors of the published run that recommend_movies ranks by, with the columns of its filters, for your own queries.
CREATE OR REPLACE VIEW embrec.published_movie_preferences AS
SELECT
    e.movie_index,
    m.movie_id,
    m.title,
    m.genres,
    m.release_year,
    coalesce(s.rating_count, 0) AS rating_count,
    e.bias,
    e.embedding,
    e.model_run_id
FROM embrec.movie_embeddings AS e
JOIN embrec.movies AS m ON m.movie_index = e.movie_index
LEFT JOIN embrec.movie_statistics AS s ON s.movie_index = e.movie_index
WHERE e.model_run_id = (SELECT r.model_run_id FROM embrec.published_run AS r)
    AND e.part = (
        SELECT CASE r.serving WHEN 'two_part' THEN 'preference' ELSE 'rating' END::embrec.part
        FROM embrec.published_run AS p
        JOIN embrec.model_runs AS r ON r.model_run_id = p.model_run_id
    );
