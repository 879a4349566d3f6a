-- Name the other sessions whose open transactions write to embrec's tables of a pattern, as 'process 12 of the server (role shop,
-- application web, idle in transaction for 00:05:10)', at most three. The state and the time are seen by members of
-- pg_read_all_stats and by the role itself. NULL if there are none.
CREATE OR REPLACE FUNCTION embrec.writers_of(tables text)
RETURNS text
LANGUAGE sql
BEGIN ATOMIC
    SELECT string_agg(w.told, '; ' ORDER BY w.xact_start, w.pid)
    FROM (
        SELECT
            a.pid, a.xact_start,
            format(
                'process %s of the server (role %s%s%s)', a.pid, a.usename, ', application ' || nullif(a.application_name, ''),
                ', ' || a.state || ' for ' || date_trunc('second', clock_timestamp() - a.xact_start)
            ) AS told
        FROM pg_stat_activity AS a
        WHERE a.pid <> pg_backend_pid() AND EXISTS (
            SELECT
            FROM pg_locks AS l
            JOIN pg_class AS c ON c.oid = l.relation AND c.relnamespace = 'embrec'::regnamespace AND c.relname ~ tables
            WHERE l.pid = a.pid AND l.granted
                AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
                AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
        )
        ORDER BY a.xact_start, a.pid
        LIMIT 3
    ) AS w;
END;
