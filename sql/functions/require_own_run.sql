-- Check that a run has one of these statuses and that this session's role began it, before something is added to it. The
-- schema's owner may add to any run. Until the transaction ends nobody can record the run as trained.
CREATE OR REPLACE FUNCTION embrec.require_own_run(model_run_id integer, statuses text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run record;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('embrec.model_runs'), require_own_run.model_run_id);
    SELECT r.status, r.trained_by, pg_has_role(session_user, c.relowner, 'USAGE') AS owns INTO run
    FROM embrec.model_runs AS r
    JOIN pg_class AS c ON c.oid = 'embrec.model_runs'::regclass
    WHERE r.model_run_id = require_own_run.model_run_id;
    IF NOT FOUND OR run.status <> ALL (statuses) THEN
        RAISE EXCEPTION 'model run % is %, so nothing is added to it', require_own_run.model_run_id, coalesce(run.status, 'unknown')
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- An older snapshot would not see that the run was trained meanwhile.
    IF NOT run.owns AND current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'model run % is stored at READ COMMITTED; begin the transaction with: BEGIN ISOLATION LEVEL READ COMMITTED', require_own_run.model_run_id
            USING ERRCODE = 'active_sql_transaction';
    END IF;
    -- Runs of an earlier release have no role on record; one may be in training during the upgrade.
    IF NOT run.owns AND coalesce(run.trained_by, CASE run.status WHEN 'training' THEN session_user END, '') <> session_user THEN
        RAISE EXCEPTION 'permission denied for model run %, which is of %', require_own_run.model_run_id, coalesce(run.trained_by, 'an earlier release')
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END;
$$;
