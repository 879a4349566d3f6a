-- The triggers on ratings that note which ratings came and went, for count_changes(). They only add rows, so that two
-- users who rate the same movie do not wait for each other.
CREATE OR REPLACE FUNCTION embrec.note_changes()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning takes longer than noting one row
AS $$
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            INSERT INTO embrec.uncounted_ratings (movie_index, rating, number)
            SELECT n.movie_index, n.rating, count(*) FROM embrec_new AS n GROUP BY n.movie_index, n.rating;
        WHEN 'DELETE' THEN
            INSERT INTO embrec.uncounted_ratings (movie_index, rating, number)
            SELECT o.movie_index, o.rating, -count(*) FROM embrec_old AS o GROUP BY o.movie_index, o.rating;
        ELSE
            INSERT INTO embrec.uncounted_ratings (movie_index, rating, number)
            SELECT c.movie_index, c.rating, sum(c.number)
            FROM (
                SELECT n.movie_index, n.rating, 1 AS number FROM embrec_new AS n
                UNION ALL
                SELECT o.movie_index, o.rating, -1 FROM embrec_old AS o
            ) AS c
            GROUP BY c.movie_index, c.rating
            HAVING sum(c.number) <> 0;
    END CASE;
    RETURN NULL;
END;
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = 'embrec.ratings'::regclass AND t.tgname = 'note_inserted') THEN
        CREATE TRIGGER note_inserted AFTER INSERT ON embrec.ratings
            REFERENCING NEW TABLE AS embrec_new FOR EACH STATEMENT EXECUTE FUNCTION embrec.note_changes();
        CREATE TRIGGER note_updated AFTER UPDATE ON embrec.ratings
            REFERENCING OLD TABLE AS embrec_old NEW TABLE AS embrec_new
            FOR EACH STATEMENT EXECUTE FUNCTION embrec.note_changes();
        CREATE TRIGGER note_deleted AFTER DELETE ON embrec.ratings
            REFERENCING OLD TABLE AS embrec_old FOR EACH STATEMENT EXECUTE FUNCTION embrec.note_changes();
    END IF;
END
$$;
