-- The trigger on a followed table, of ratings or of events; follow_table() makes it. It writes down what a statement or a row changes, and
-- followed_at_commit() applies that when the transaction commits. A role that writes to the table needs no right on
-- embrec, and its statement never fails because of embrec: rows that cannot be read give a warning.
--
-- It runs with the rights of embrec's owner. So it reads transition tables only if the trigger has them: otherwise their
-- names could be those of a caller's temporary view.
CREATE OR REPLACE FUNCTION embrec.follow_ratings()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns text[] := ARRAY(SELECT unnest(TG_ARGV));
    whole boolean := TG_LEVEL = 'STATEMENT';
    before_rows text := CASE WHEN whole THEN 'before_rows' ELSE '(SELECT ($1).*)' END;
    after_rows text := CASE WHEN whole THEN 'after_rows' ELSE '(SELECT ($2).*)' END;
BEGIN
    IF TG_WHEN <> 'AFTER' OR TG_OP = 'TRUNCATE' OR whole AND NOT EXISTS (
        SELECT
        FROM pg_trigger AS t
        WHERE t.tgrelid = TG_RELID AND t.tgname = TG_NAME
            AND (TG_OP = 'INSERT' OR t.tgoldtable = 'before_rows')
            AND (TG_OP = 'DELETE' OR t.tgnewtable = 'after_rows')
    ) THEN
        RAISE EXCEPTION 'embrec.follow_ratings is made a trigger by embrec.follow_table(table, columns...)'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF TG_OP <> 'INSERT' THEN
        before_rows := embrec.rows_of_table(TG_RELID, columns, before_rows);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after_rows := embrec.rows_of_table(TG_RELID, columns, after_rows);
    END IF;
    EXECUTE CASE TG_OP
        WHEN 'INSERT' THEN embrec.recording_of(after_rows)
        WHEN 'DELETE' THEN embrec.recording_of(before_rows, gone => true)
        ELSE embrec.recording_of(embrec.changed_rows(columns, before_rows, after_rows))
    END USING OLD, NEW;
    RETURN NULL;
EXCEPTION
    WHEN invalid_parameter_value THEN
        RAISE;
    WHEN OTHERS THEN
        RAISE WARNING 'embrec did not take these changes of %: %. To take them later: embrec load --from-table', TG_RELID::regclass, SQLERRM;
        RETURN NULL;
END;
$$;
