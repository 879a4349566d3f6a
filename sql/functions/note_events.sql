-- The triggers on events that note which events came and went, for count_changes(): one row for each movie and type of a
-- statement. They only add rows, so that two users who watch the same movie do not wait for each other.
CREATE OR REPLACE FUNCTION embrec.note_events()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning takes longer than noting one row
AS $$
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            INSERT INTO embrec.uncounted_events (movie_index, event_type, number)
            SELECT n.movie_index, n.event_type, count(*) FROM embrec_new AS n GROUP BY n.movie_index, n.event_type;
        WHEN 'DELETE' THEN
            INSERT INTO embrec.uncounted_events (movie_index, event_type, number)
            SELECT o.movie_index, o.event_type, -count(*) FROM embrec_old AS o GROUP BY o.movie_index, o.event_type;
        ELSE
            INSERT INTO embrec.uncounted_events (movie_index, event_type, number)
            SELECT c.movie_index, c.event_type, sum(c.number)
            FROM (
                SELECT n.movie_index, n.event_type, 1 AS number FROM embrec_new AS n
                UNION ALL
                SELECT o.movie_index, o.event_type, -1 FROM embrec_old AS o
            ) AS c
            GROUP BY c.movie_index, c.event_type
            HAVING sum(c.number) <> 0;
    END CASE;
    RETURN NULL;
END;
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = 'embrec.events'::regclass AND t.tgname = 'note_inserted') THEN
        CREATE TRIGGER note_inserted AFTER INSERT ON embrec.events
            REFERENCING NEW TABLE AS embrec_new FOR EACH STATEMENT EXECUTE FUNCTION embrec.note_events();
        CREATE TRIGGER note_updated AFTER UPDATE ON embrec.events
            REFERENCING OLD TABLE AS embrec_old NEW TABLE AS embrec_new
            FOR EACH STATEMENT EXECUTE FUNCTION embrec.note_events();
        CREATE TRIGGER note_deleted AFTER DELETE ON embrec.events
            REFERENCING OLD TABLE AS embrec_old FOR EACH STATEMENT EXECUTE FUNCTION embrec.note_events();
    END IF;
END
$$;
