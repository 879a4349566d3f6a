-- The trigger on a followed table that writes down the rows that TRUNCATE removes; follow_table() makes it. It reads
-- with the rights of the role that truncates: embrec's owner has none on the host's tables.
CREATE OR REPLACE FUNCTION embrec.follow_truncate()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns text[] := ARRAY(SELECT unnest(TG_ARGV));
    -- The children of a parent have triggers of their own.
    rows_of text := (SELECT CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END || c.oid::regclass FROM pg_class AS c WHERE c.oid = TG_RELID);
BEGIN
    EXECUTE embrec.recording_of(embrec.rows_of_table(TG_RELID, columns, rows_of), gone => true);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'embrec keeps the rows of %, which was truncated: %', TG_RELID::regclass, SQLERRM;
    RETURN NULL;
END;
$$;
