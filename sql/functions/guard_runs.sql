-- The trigger that keeps what is trained as it was trained, and a run in training for the role that began it: session_user,
-- which SET ROLE does not change. The schema's owner is not bound by it, and the digest tells what the owner changed. The
-- digest is computed here, so that nobody can put another on record.
CREATE OR REPLACE FUNCTION embrec.guard_runs()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owns boolean := pg_has_role((SELECT c.relowner FROM pg_class AS c WHERE c.oid = TG_RELID), 'USAGE');
    withdrawn embrec.model_runs := OLD;
    withdraws boolean := false;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NOT owns AND NEW.status <> 'training' THEN
            RAISE EXCEPTION 'permission denied for model run %: a run begins as one in training', NEW.model_run_id
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF NOT owns OR NEW.trained_by IS NULL THEN
            NEW.trained_by := session_user;
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.status = 'trained' THEN
        -- A run whose answers are not its model's becomes one that only compares vectors, until somebody is answered by it.
        withdrawn.serving := 'similarity_only';
        withdraws := NEW *= withdrawn AND NOT EXISTS (
            SELECT FROM embrec.publications AS p WHERE p.model_run_id = OLD.model_run_id
            UNION ALL
            SELECT FROM embrec.experiments AS e WHERE OLD.model_run_id IN (e.control_run, e.treatment_run)
        );
    END IF;
    IF NOT owns AND NOT (
        OLD.trained_by IS NOT DISTINCT FROM NEW.trained_by AND coalesce(OLD.trained_by, session_user) = session_user
        AND (withdraws OR OLD.status IN ('training', 'failed') AND NEW.status <> 'deleted')
    ) THEN
        RAISE EXCEPTION 'permission denied for model run %, which is % by %: a run in training is changed by the role that began it, and a trained one by nobody',
            OLD.model_run_id, OLD.status, coalesce(OLD.trained_by, 'an earlier release')
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF withdraws OR NEW.status = 'trained' AND OLD.status <> 'trained' THEN
        -- Whoever else adds to the run has ended, or sees that it is trained.
        PERFORM pg_advisory_xact_lock(hashtext('embrec.model_runs'), OLD.model_run_id);
        IF EXISTS (
            SELECT
            FROM pg_class AS c
            WHERE c.relnamespace = 'embrec'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                AND c.relname ~ format('^(user|movie)_embeddings_run_%s(_|$)', OLD.model_run_id)
        ) THEN
            RAISE EXCEPTION 'model run % has tables that are still open; close_run attaches them', OLD.model_run_id
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        NEW.vectors_sha256 := embrec.run_digest(NEW);
    END IF;
    RETURN NEW;
END;
$$;

CREATE OR REPLACE TRIGGER guard_runs BEFORE INSERT OR UPDATE ON embrec.model_runs
FOR EACH ROW EXECUTE FUNCTION embrec.guard_runs();
