-- A user's index, giving a new id the next one. One transaction at a time gives out indexes, so the call may wait for
-- some seconds and then fails with SQLSTATE 55P03 (lock_indexes). A trigger that may not fail its statement catches that.
CREATE OR REPLACE FUNCTION embrec.user_index_of(user_id text)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    found integer := (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = user_index_of.user_id);
BEGIN
    IF found IS NULL THEN
        PERFORM embrec.lock_indexes();
        INSERT INTO embrec.users (user_index, user_id)
        SELECT coalesce(max(u.user_index) + 1, 0), user_index_of.user_id FROM embrec.users AS u
        ON CONFLICT DO NOTHING;
        found := (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = user_index_of.user_id);
    END IF;
    RETURN found;
END;
$$;
