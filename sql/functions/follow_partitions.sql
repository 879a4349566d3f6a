-- Write down the ratings or events in partitions that came to a followed partitioned table, or left it, since the last call. The
-- first call after follow_table() only puts the partitions on record.
--
-- It reads with the rights of the role that alters the table: embrec's owner has none on the host's tables.
CREATE OR REPLACE FUNCTION embrec.follow_partitions(source regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on -- a session may have backslashes mean something else
AS $$
DECLARE
    present regclass[] := ARRAY(
        SELECT t.relid
        FROM pg_partition_tree(follow_partitions.source) AS t
        JOIN pg_class AS c ON c.oid = t.relid AND c.relkind = 'r'
        WHERE t.isleaf
    );
    followed record;
    changed record;
BEGIN
    SELECT f.column_names, f.partitions INTO followed FROM embrec.followed_partitions AS f WHERE f.source = follow_partitions.source;
    FOR changed IN
        SELECT c.oid::regclass AS name, c.oid = ANY (present) AS came
        FROM pg_class AS c -- without those that were dropped
        WHERE c.oid = ANY (present || followed.partitions)
            AND c.oid = ANY (present) <> (c.oid = ANY (followed.partitions))
            -- Events without a key cannot be told from others when they go.
            AND (c.oid = ANY (present) OR followed.column_names[8] IS DISTINCT FROM '')
            -- One that left may be followed for itself.
            AND (c.oid = ANY (present) OR NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgname LIKE 'embrec\_%'))
        ORDER BY came
    LOOP
        EXECUTE embrec.recording_of(
            embrec.rows_of_table(changed.name, followed.column_names, changed.name::text),
            gone => NOT changed.came
        );
    END LOOP;
    UPDATE embrec.followed_partitions AS f SET partitions = present WHERE f.source = follow_partitions.source;
END;
$$;
