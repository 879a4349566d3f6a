-- Return the runs that can answer, the newest first, and mark the published one: embrec.model_run_id may be set to any
-- of them.
CREATE OR REPLACE FUNCTION embrec.trained_runs()
RETURNS SETOF embrec.trained_run
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        r.model_run_id,
        r.architecture,
        EXISTS (SELECT FROM embrec.published_run AS p WHERE p.model_run_id = r.model_run_id),
        r.finished_at,
        r.rating_count,
        r.lowest_rating,
        r.highest_rating,
        r.metrics,
        r.event_count,
        r.history_length
    FROM embrec.model_runs AS r
    WHERE r.status = 'trained'
    ORDER BY r.model_run_id DESC;
END;
