-- The vectors of the published run that similar_users compares, for queries of your own. The scalar subqueries (not
-- a join) let the planner open their partition alone.
CREATE OR REPLACE VIEW embrec.published_user_embeddings AS
SELECT
    e.user_index,
    u.user_id,
    coalesce(e.embedding, e.half::vector) AS embedding,
    e.model_run_id
FROM embrec.user_embeddings AS e
JOIN embrec.users AS u ON u.user_index = e.user_index
WHERE e.model_run_id = (SELECT r.model_run_id FROM embrec.published_run AS r)
    AND e.part = (SELECT r.user_similarity FROM embrec.published_run AS r);
