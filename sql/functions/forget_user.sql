-- Delete all data of a user: labels, ratings, events, vectors in every run, records of experiments. The row in users keeps
-- only the index, under a meaningless id: an index is never given out twice, and a rating or event that arrives at the
-- same moment belongs to no user. Returns true if the user existed. While the index of a run is being made, index_run
-- deletes the user's vectors of that run when it ends, and a notice says so. Transactions that write something of the user
-- are waited for; after three seconds the error names their processes, and nothing is deleted. At REPEATABLE READ the
-- user's newest ratings and events would be invisible and stay, so it is refused there.
CREATE OR REPLACE FUNCTION embrec.forget_user(user_id text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '3s'
SET plan_cache_mode = 'force_custom_plan' -- a generic plan locks the partitions of all runs
AS $$
#variable_conflict use_column
DECLARE
    own integer;
    run integer;
    run_part embrec.part;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'forget_user at % would leave what came after the transaction began; call it after: BEGIN ISOLATION LEVEL READ COMMITTED', upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'active_sql_transaction';
    END IF;
    PERFORM embrec.apply_followed(); -- or a change that waits would bring the user back
    LOCK TABLE embrec.ratings, embrec.events IN ROW EXCLUSIVE MODE; -- before users, as a load does
    PERFORM pg_advisory_xact_lock(hashtext('embrec.forget_user'));
    -- Exposures and outcomes in progress end first, or they would come after the deletion (record_exposure).
    PERFORM pg_advisory_xact_lock(hashtext('embrec.exposures'), hashtext(forget_user.user_id) & 1023);
    UPDATE embrec.users AS u
    SET user_id = 'forgotten ' || gen_random_uuid(), forgotten_at = now(), labels = NULL
    WHERE u.user_id = forget_user.user_id
    RETURNING u.user_index INTO own;
    IF own IS NOT NULL THEN
        DELETE FROM embrec.ratings AS r WHERE r.user_index = own;
        DELETE FROM embrec.events AS e WHERE e.user_index = own;
        FOR run, run_part IN
            SELECT r.model_run_id, p FROM embrec.model_runs AS r, unnest(enum_range(NULL::embrec.part)) AS p
        LOOP
            -- A transaction releases its locks one after the other, when its index is already visible.
            IF NOT pg_try_advisory_xact_lock_shared(hashtext('embrec.index_run ' || run_part), run)
                AND NOT EXISTS (
                    SELECT FROM pg_class AS c
                    WHERE c.relnamespace = 'embrec'::regnamespace
                        AND c.relname = format('user_embeddings_run_%s_%s_hnsw', run, run_part)
                )
            THEN
                RAISE NOTICE 'the index of model run % is being made; the vectors of this user go when it is ready', run;
                CONTINUE;
            END IF;
            -- By the key of one run and part after the other.
            DELETE FROM embrec.user_embeddings AS e
            WHERE e.model_run_id = run AND e.part = run_part AND e.user_index = own;
        END LOOP;
    END IF;
    -- Users in an experiment need not have rated anything.
    DELETE FROM embrec.outcomes AS o WHERE o.user_id = forget_user.user_id;
    DELETE FROM embrec.exposures AS e WHERE e.user_id = forget_user.user_id;
    RETURN own IS NOT NULL OR FOUND;
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION 'nothing is forgotten: another transaction writes to what is to be deleted, and stays open (%). End it, then try again',
        coalesce(embrec.writers_of('^(users|ratings|events|exposures|outcomes|user_embeddings.*)$'), 'it has ended by now')
        USING ERRCODE = 'lock_not_available';
END;
$$;

CREATE OR REPLACE FUNCTION embrec.forget_user(user_id anynonarray)
RETURNS boolean
LANGUAGE sql
AS $$
    SELECT embrec.forget_user(embrec.id_text(forget_user.user_id));
$$;
