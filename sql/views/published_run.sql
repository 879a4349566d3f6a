-- The published run: the newest publication, one row or none; and the parts whose vectors are compared for similar
-- movies and similar users.
CREATE OR REPLACE VIEW embrec.published_run AS
SELECT p.model_run_id, p.published_at, r.movie_similarity, r.user_similarity
FROM (SELECT * FROM embrec.publications ORDER BY publication_id DESC LIMIT 1) AS p
JOIN embrec.model_runs AS r ON r.model_run_id = p.model_run_id;
