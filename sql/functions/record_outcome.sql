-- Record an outcome of an exposure: a click, minutes watched, a purchase; a user's outcomes are added up. Returns true
-- if it counts, which it does for a user who was exposed to the running experiment.
CREATE OR REPLACE FUNCTION embrec.record_outcome(user_id text, value double precision)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF num_nulls(record_outcome.user_id, record_outcome.value) > 0 THEN
        RAISE EXCEPTION 'record_outcome needs a user_id and a value' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF record_outcome.value IN ('NaN', 'Infinity', '-Infinity') THEN
        RAISE EXCEPTION 'value is %; give a finite number', record_outcome.value USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- As in record_exposure: whoever is forgotten meanwhile has no exposure any more.
    PERFORM pg_advisory_xact_lock_shared(hashtext('embrec.exposures'), hashtext(record_outcome.user_id) & 1023);
    INSERT INTO embrec.outcomes (experiment_id, user_id, value)
    SELECT s.experiment_id, s.user_id, record_outcome.value
    FROM embrec.exposures AS s
    JOIN embrec.experiments AS e ON e.experiment_id = s.experiment_id
    WHERE e.ended_at IS NULL AND s.user_id = record_outcome.user_id;
    RETURN FOUND;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.record_outcome(user_id anynonarray, value double precision)
RETURNS boolean
LANGUAGE sql
AS $$
    SELECT embrec.record_outcome(embrec.id_text(record_outcome.user_id), record_outcome.value);
$$;
