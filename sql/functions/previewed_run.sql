-- Return the preview run, which this session asks before it is published: its number is in the setting
-- embrec.model_run_id, by SET LOCAL or set_config. NULL if it is not set. The run must be trained and not deleted.
CREATE OR REPLACE FUNCTION embrec.previewed_run()
RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $$
DECLARE
    chosen text := current_setting('embrec.model_run_id', true);
    found integer;
BEGIN
    IF coalesce(chosen, '') = '' THEN
        RETURN NULL;
    END IF;
    SELECT r.model_run_id INTO found
    FROM embrec.model_runs AS r
    WHERE r.model_run_id = CASE WHEN chosen ~ '^[0-9]{1,9}$' THEN chosen::integer END AND r.status = 'trained';
    IF found IS NULL THEN
        RAISE EXCEPTION 'embrec.model_run_id is %, and no trained run has that number; see embrec.trained_runs(), or RESET embrec.model_run_id', chosen
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN found;
END;
$$;
