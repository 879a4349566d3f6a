-- Add the events that came or went since the last count to event_counts, a part of count_changes. Returns false if a
-- count is now below zero, as after changes with the triggers off.
CREATE OR REPLACE FUNCTION embrec.count_events()
RETURNS boolean
LANGUAGE sql
BEGIN ATOMIC
    WITH taken AS (
        DELETE FROM embrec.uncounted_events AS u
        RETURNING u.movie_index, u.event_type, u.number
    )
    INSERT INTO embrec.event_counts AS c (movie_index, event_type, event_count)
    SELECT t.movie_index, t.event_type, sum(t.number)
    FROM taken AS t
    GROUP BY t.movie_index, t.event_type
    ON CONFLICT ON CONSTRAINT event_counts_pkey DO UPDATE SET event_count = c.event_count + excluded.event_count;
    SELECT NOT EXISTS (SELECT FROM embrec.event_counts AS c WHERE c.event_count < 0);
END;
