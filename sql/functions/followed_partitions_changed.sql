-- A superuser runs an event trigger's function with every ALTER TABLE. So watch_partitions() gives it to the superuser
-- who makes the event trigger, and no other role replaces it afterwards. It calls nothing of embrec's before a followed
-- table is altered.
DO $install$
BEGIN
    IF EXISTS (
        SELECT
        FROM pg_event_trigger AS e
        JOIN pg_proc AS p ON p.oid = e.evtfoid
        WHERE e.evtname = 'embrec_partitions' AND NOT pg_has_role(p.proowner, 'USAGE')
    ) THEN
        RETURN;
    END IF;

-- The event trigger that follows ATTACH and DETACH of partitions; watch_partitions() makes it. It never makes a
-- statement fail.
CREATE OR REPLACE FUNCTION embrec.followed_partitions_changed()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed oid;
BEGIN
    FOR changed IN
        SELECT DISTINCT t.tgrelid
        FROM pg_event_trigger_ddl_commands() AS command
        CROSS JOIN pg_partition_ancestors(command.objid) AS ancestor (oid)
        JOIN pg_trigger AS t ON t.tgrelid = ancestor.oid AND t.tgname = 'embrec_row' AND t.tgparentid = 0
        JOIN pg_class AS c ON c.oid = t.tgrelid AND c.relkind = 'p'
        WHERE command.classid = 'pg_class'::regclass
    LOOP
        PERFORM embrec.follow_partitions(changed);
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'embrec did not take the rows of partitions that came to % or left it: %. To take those that came later: embrec load --from-table',
        changed::regclass, SQLERRM;
END;
$$;

END
$install$;
