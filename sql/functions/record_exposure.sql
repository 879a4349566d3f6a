-- Record that a user was shown the running experiment; the first time counts. The application calls this, because the
-- serving functions only read, and not every answer is shown. Returns the user's variant, NULL if no experiment runs.
CREATE OR REPLACE FUNCTION embrec.record_exposure(user_id text)
RETURNS text
LANGUAGE sql
BEGIN ATOMIC
    -- forget_user waits for it. A batch in one transaction takes at most 1,024 locks.
    SELECT pg_advisory_xact_lock_shared(hashtext('embrec.exposures'), hashtext(record_exposure.user_id) & 1023);
    INSERT INTO embrec.exposures (experiment_id, user_id, variant, model_run_id)
    SELECT
        e.experiment_id,
        record_exposure.user_id,
        assigned.variant,
        -- Not serving_run: a session that previews a run is shown that one, which is none of the experiment's.
        CASE assigned.variant WHEN 'control' THEN e.control_run WHEN 'treatment' THEN e.treatment_run END
    FROM embrec.experiments AS e
    CROSS JOIN (SELECT embrec.assign_variant(record_exposure.user_id)) AS assigned (variant)
    WHERE e.ended_at IS NULL
    ON CONFLICT DO NOTHING;
    SELECT embrec.assign_variant(record_exposure.user_id);
END;

CREATE OR REPLACE FUNCTION embrec.record_exposure(user_id anynonarray)
RETURNS text
LANGUAGE sql
AS $$
    SELECT embrec.record_exposure(embrec.id_text(record_exposure.user_id));
$$;
