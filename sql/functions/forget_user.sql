-- Delete all data of a user: labels, ratings, vectors in every run, records of experiments. The row in users keeps only
-- the index, under a meaningless id: an index is never given out twice, and a rating that arrives at the same moment
-- belongs to no user. Returns true if the user existed.
CREATE OR REPLACE FUNCTION embrec.forget_user(user_id text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    own integer;
    run integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('embrec.forget_user'));
    UPDATE embrec.users AS u
    SET user_id = 'forgotten ' || gen_random_uuid(), forgotten_at = now(), labels = NULL
    WHERE u.user_id = forget_user.user_id
    RETURNING u.user_index INTO own;
    IF own IS NOT NULL THEN
        DELETE FROM embrec.ratings AS r WHERE r.user_index = own;
        FOR run IN SELECT r.model_run_id FROM embrec.model_runs AS r LOOP
            -- By the key of one run and part after the other.
            DELETE FROM embrec.user_embeddings AS e
            WHERE e.model_run_id = run AND e.part = ANY (enum_range(NULL::embrec.part)) AND e.user_index = own;
        END LOOP;
    END IF;
    -- Users in an experiment need not have rated anything.
    DELETE FROM embrec.outcomes AS o WHERE o.user_id = forget_user.user_id;
    DELETE FROM embrec.exposures AS e WHERE e.user_id = forget_user.user_id;
    RETURN own IS NOT NULL OR FOUND;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.forget_user(user_id anynonarray)
RETURNS boolean
LANGUAGE sql
AS $$
    SELECT embrec.forget_user(embrec.id_text(forget_user.user_id));
$$;
