-- Return the run that answers for a user: the preview run; or else, while an experiment runs, that of the user's
-- variant; or else the published one.
CREATE OR REPLACE FUNCTION embrec.serving_run(user_id text)
RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(
        embrec.previewed_run(),
        (
            SELECT CASE embrec.assign_variant(serving_run.user_id)
                WHEN 'control' THEN e.control_run
                WHEN 'treatment' THEN e.treatment_run
            END
            FROM embrec.experiments AS e
            WHERE e.ended_at IS NULL
        ),
        (SELECT p.model_run_id FROM embrec.published_run AS p)
    );
END;
