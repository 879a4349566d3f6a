-- The trigger on followed_changes that applies a transaction's changes when it commits. Then the transaction takes no
-- other lock, so it holds those on embrec's tables for an instant and can be in no deadlock. If a lock is not free
-- within a tenth of a second, the changes wait for the next commit of a followed table, load or refresh.
CREATE OR REPLACE FUNCTION embrec.followed_at_commit()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '100ms'
AS $$
BEGIN
    -- The first row of a transaction applies the others too.
    IF NOT EXISTS (SELECT FROM embrec.followed_changes AS f WHERE f.change_id = NEW.change_id AND NOT f.waiting) THEN
        RETURN NULL;
    END IF;
    BEGIN
        PERFORM embrec.apply_followed();
    EXCEPTION
        WHEN serialization_failure THEN
            RAISE; -- at REPEATABLE READ the application runs its transaction again
        WHEN lock_not_available OR deadlock_detected THEN
            UPDATE embrec.followed_changes AS f SET waiting = true WHERE f.transaction_id = txid_current();
        WHEN OTHERS THEN
            UPDATE embrec.followed_changes AS f SET waiting = true WHERE f.transaction_id = txid_current();
            RAISE WARNING 'embrec could not apply the changes of a followed table, and keeps them: %. To try again: SELECT embrec.apply_followed();', SQLERRM;
    END;
    RETURN NULL;
END;
$$;

-- Changes by a replica's apply are followed too.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = 'embrec.followed_changes'::regclass AND t.tgname = 'followed_at_commit') THEN
        CREATE CONSTRAINT TRIGGER followed_at_commit AFTER INSERT ON embrec.followed_changes
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION embrec.followed_at_commit();
        ALTER TABLE embrec.followed_changes ENABLE ALWAYS TRIGGER followed_at_commit;
    END IF;
END
$$;
