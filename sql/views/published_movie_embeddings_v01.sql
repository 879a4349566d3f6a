-- The vectors of the published run, for queries of your own. The scalar subquery (not a join) lets the
-- planner open that run's partition alone.
CREATE VIEW embrec.published_movie_embeddings AS
SELECT
    e.movie_index,
    m.movie_id,
    m.title,
    e.embedding,
    e.model_run_id
FROM embrec.movie_embeddings AS e
JOIN embrec.movies AS m ON m.movie_index = e.movie_index
WHERE e.model_run_id = (SELECT r.model_run_id FROM embrec.published_run AS r);
