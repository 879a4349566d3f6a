-- The vectors of the published run that similar_movies compares, for queries of your own. The scalar subqueries (not
-- a join) let the planner open their partition alone.
CREATE OR REPLACE VIEW embrec.published_movie_embeddings AS
SELECT
    e.movie_index,
    m.movie_id,
    m.title,
    e.embedding,
    e.model_run_id
FROM embrec.movie_embeddings AS e
JOIN embrec.movies AS m ON m.movie_index = e.movie_index
WHERE e.model_run_id = (SELECT r.model_run_id FROM embrec.published_run AS r)
    AND e.part = (SELECT r.movie_similarity FROM embrec.published_run AS r);
