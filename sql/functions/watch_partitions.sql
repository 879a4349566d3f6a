-- Put the partitions of a followed table on record, and make the event trigger that follows ATTACH and DETACH, as a role
-- that may make event triggers: a superuser. For others a notice says that both are not followed.
CREATE OR REPLACE FUNCTION embrec.watch_partitions(source regclass, columns text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM embrec.followed_partitions AS f
    WHERE f.source = watch_partitions.source OR NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = f.source);
    INSERT INTO embrec.followed_partitions (source, column_names) VALUES (watch_partitions.source, watch_partitions.columns);
    PERFORM embrec.follow_partitions(watch_partitions.source);
    IF EXISTS (SELECT FROM pg_event_trigger AS e WHERE e.evtname = 'embrec_partitions') THEN
        RETURN;
    END IF;
    BEGIN
        CREATE EVENT TRIGGER embrec_partitions ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE')
            EXECUTE FUNCTION embrec.followed_partitions_changed();
        ALTER FUNCTION embrec.followed_partitions_changed() OWNER TO CURRENT_USER;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE NOTICE 'rows that come with ATTACH or go with DETACH are not followed until a superuser calls follow_table; embrec load --from-table takes those that come';
    END;
END;
$$;
