-- Delete the vectors of a run that users have who were forgotten while these were stored or indexed. Whoever is forgotten
-- after this waits for it in forget_user.
CREATE OR REPLACE FUNCTION embrec.delete_forgotten(model_run_id integer)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('embrec.forget_user'));
    DELETE FROM embrec.user_embeddings AS e
    USING embrec.users AS u
    WHERE e.model_run_id = delete_forgotten.model_run_id AND e.part = ANY (enum_range(NULL::embrec.part))
        AND e.user_index = u.user_index AND u.forgotten_at IS NOT NULL;
END;
$$;
