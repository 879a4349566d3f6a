-- Count all events anew, a part of refresh_statistics; counts that are right stay untouched. It is one statement, so one
-- snapshot: a change is either among the events, or stays to be counted.
CREATE OR REPLACE FUNCTION embrec.recount_events()
RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    WITH counted_by_now AS (
        DELETE FROM embrec.uncounted_events
    ),
    counted AS MATERIALIZED (
        SELECT e.movie_index, e.event_type, count(*) AS event_count
        FROM embrec.events AS e
        GROUP BY e.movie_index, e.event_type
    ),
    gone AS (
        DELETE FROM embrec.event_counts AS c
        WHERE NOT EXISTS (
            SELECT FROM counted AS n WHERE n.movie_index = c.movie_index AND n.event_type = c.event_type
        )
    )
    INSERT INTO embrec.event_counts AS c (movie_index, event_type, event_count)
    SELECT n.movie_index, n.event_type, n.event_count
    FROM counted AS n
    ON CONFLICT ON CONSTRAINT event_counts_pkey DO UPDATE SET event_count = excluded.event_count
    WHERE c.event_count <> excluded.event_count;
END;
