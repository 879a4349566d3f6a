-- The run that answers questions without a user: the preview run, or else the published one, one row or none; and the
-- parts whose vectors are compared, and whether the lengths of movies' vectors count. The scalar subquery is computed
-- once, whatever the plan.
CREATE OR REPLACE VIEW embrec.answering_run AS
SELECT r.model_run_id, r.movie_similarity, r.user_similarity, coalesce(r.shrunk_similarity, false) AS shrunk_similarity
FROM embrec.model_runs AS r
WHERE r.model_run_id = (
    SELECT coalesce(embrec.previewed_run(), (SELECT p.model_run_id FROM embrec.published_run AS p))
);
