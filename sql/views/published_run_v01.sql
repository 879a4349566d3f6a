-- The published run: the newest publication, one row or none.
CREATE VIEW embrec.published_run AS
SELECT p.model_run_id, p.published_at
FROM embrec.publications AS p
ORDER BY p.publication_id DESC
LIMIT 1;
