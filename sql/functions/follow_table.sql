-- Keep embrec.ratings or embrec.events in step with a table of the same database from now on. It makes triggers on the
-- table, in place of earlier ones, as a role that may make triggers there. With a rating column its rows are ratings, one
-- for a user and movie. Without, they are events: all of one type, or of the types of a column. The time, and the value of
-- an event, may have columns too.
--
-- An event is known by the row's primary key. Without one, rows that come are followed, and neither changed nor deleted
-- ones: a notice says so.
--
-- An ordinary table gets triggers for whole statements, and one for single rows that only a replica's apply fires. Rows
-- of a partitioned table, or of one with parents or children, are also written by way of the others. So each of those
-- gets one trigger for single rows; partitions that come later inherit it. The rows that come or go with a partition are
-- the part of watch_partitions().
CREATE OR REPLACE FUNCTION embrec.follow_table(
    source regclass,
    user_column text,
    movie_column text,
    rating_column text DEFAULT NULL,
    time_column text DEFAULT NULL,
    type text DEFAULT NULL,
    type_column text DEFAULT NULL,
    value_column text DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns text[] := embrec.followed_columns(
        follow_table.source, follow_table.user_column, follow_table.movie_column, follow_table.rating_column,
        follow_table.time_column, follow_table.type, follow_table.type_column, follow_table.value_column
    );
    arguments text := (
        SELECT string_agg(quote_literal(name), ', ' ORDER BY place) FROM unnest(columns) WITH ORDINALITY AS c (name, place)
    );
    call text := format('embrec.follow_ratings(%s)', arguments);
    related boolean := (
        SELECT c.relkind = 'p' OR EXISTS (SELECT FROM pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent))
        FROM pg_class AS c
        WHERE c.oid = follow_table.source
    );
    keyless boolean := columns[8] IS NOT DISTINCT FROM '';
    by_row name := CASE WHEN related THEN 'embrec_row' ELSE 'embrec_replica' END;
    made text[] := by_row::text || CASE
        WHEN related THEN '{}'
        WHEN keyless THEN '{embrec_insert}'
        ELSE '{embrec_insert,embrec_update,embrec_delete}'
    END::text[] || CASE WHEN keyless THEN '{}' ELSE '{embrec_truncate}' END::text[];
    member record;
    earlier name;
BEGIN
    -- A partitioned table hands its trigger down, a parent by inheritance does not.
    FOR member IN
        WITH RECURSIVE members AS (
            SELECT follow_table.source::oid AS oid
            UNION
            SELECT i.inhrelid
            FROM members AS m
            JOIN pg_class AS parent ON parent.oid = m.oid AND parent.relkind = 'r'
            JOIN pg_inherits AS i ON i.inhparent = m.oid
        )
        SELECT m.oid::regclass AS name, pg_has_role(c.relowner, 'USAGE') AS owned
        FROM members AS m JOIN pg_class AS c ON c.oid = m.oid
    LOOP
        PERFORM embrec.rows_of_table(member.name, columns, 'after_rows'); -- what is wrong with a column is said now
        FOR earlier IN
            SELECT t.tgname
            FROM pg_trigger AS t
            WHERE t.tgrelid = member.name AND t.tgname <> ALL (made) AND t.tgparentid = 0
                AND t.tgfoid IN ('embrec.follow_ratings'::regproc, 'embrec.follow_truncate'::regproc)
        LOOP
            EXECUTE format('DROP TRIGGER %I ON %s', earlier, member.name);
        END LOOP;
        IF 'embrec_insert' = ANY (made) THEN
            EXECUTE format('CREATE OR REPLACE TRIGGER embrec_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION %s', member.name, call);
        END IF;
        IF 'embrec_update' = ANY (made) THEN
            EXECUTE format('CREATE OR REPLACE TRIGGER embrec_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION %s', member.name, call);
            EXECUTE format('CREATE OR REPLACE TRIGGER embrec_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION %s', member.name, call);
        END IF;
        IF NOT keyless THEN
            EXECUTE format('CREATE OR REPLACE TRIGGER embrec_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION embrec.follow_truncate(%s)', member.name, arguments);
        END IF;
        IF related OR member.owned THEN
            EXECUTE format(
                'CREATE OR REPLACE TRIGGER %s AFTER INSERT%s ON %s FOR EACH ROW EXECUTE FUNCTION %s',
                by_row, CASE WHEN keyless THEN '' ELSE ' OR UPDATE OR DELETE' END, member.name, call
            );
        END IF;
        IF member.owned THEN
            IF NOT keyless THEN
                EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER embrec_truncate', member.name);
            END IF;
            EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %s', member.name, CASE WHEN related THEN 'ALWAYS' ELSE 'REPLICA' END, by_row);
        ELSE
            RAISE NOTICE 'changes that logical replication applies to % are not followed; for that, its owner calls follow_table', member.name;
        END IF;
    END LOOP;
    IF (SELECT c.relkind = 'p' FROM pg_class AS c WHERE c.oid = follow_table.source) THEN
        PERFORM embrec.watch_partitions(follow_table.source, columns);
    END IF;
END;
$$;
