-- Return the run that answers for a user: the preview run; or else, while an experiment runs, that of the user's
-- variant; or else the published one, by the table behind the view published_run: to open a view takes a new connection
-- as long as a table.
CREATE OR REPLACE FUNCTION embrec.serving_run(user_id text)
RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
BEGIN
    RETURN coalesce(
        embrec.previewed_run(),
        (
            SELECT CASE embrec.assign_variant(serving_run.user_id)
                WHEN 'control' THEN e.control_run
                WHEN 'treatment' THEN e.treatment_run
            END
            FROM embrec.experiments AS e
            WHERE e.ended_at IS NULL
        ),
        (SELECT p.model_run_id FROM embrec.publications AS p ORDER BY p.publication_id DESC LIMIT 1)
    );
END;
$$;
