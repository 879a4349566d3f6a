-- Refresh the published run and those of a running experiment, apply the changes of followed tables that wait, and count
-- the ratings anew. Returns the number of movies that came after the training of the published run.
CREATE OR REPLACE FUNCTION embrec.refresh()
RETURNS integer
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    published integer := (SELECT p.model_run_id FROM embrec.published_run AS p);
BEGIN
    IF published IS NULL THEN
        RAISE EXCEPTION 'no model run is published that could be refreshed; train one first' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM embrec.apply_followed();
    PERFORM embrec.refresh_statistics();
    PERFORM embrec.refresh_run(other.run)
    FROM embrec.experiments AS e
    CROSS JOIN LATERAL (SELECT DISTINCT u FROM unnest(ARRAY[e.control_run, e.treatment_run]) AS u) AS other (run)
    WHERE e.ended_at IS NULL AND other.run <> published;
    RETURN embrec.refresh_run(published);
END;
$$;
