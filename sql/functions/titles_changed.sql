-- The triggers on movies that keep movie_titles in step.
CREATE OR REPLACE FUNCTION embrec.titles_changed()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            PERFORM embrec.index_titles(ARRAY(SELECT n.movie_index FROM embrec_new AS n WHERE n.title IS NOT NULL));
        WHEN 'UPDATE' THEN
            -- EXCEPT has one plan for any number of rows. A join would keep that of the session's first statement.
            DELETE FROM embrec.movie_titles AS t
            WHERE t.movie_index = ANY (ARRAY(
                SELECT o.movie_index FROM embrec_old AS o
                EXCEPT
                SELECT n.movie_index FROM embrec_new AS n WHERE n.title IS NOT NULL
            ));
            PERFORM embrec.index_titles(ARRAY(
                SELECT c.movie_index
                FROM (
                    SELECT n.movie_index, n.title FROM embrec_new AS n
                    EXCEPT
                    SELECT o.movie_index, o.title FROM embrec_old AS o
                ) AS c
            ));
        ELSE
            DELETE FROM embrec.movie_titles AS t USING embrec_old AS o WHERE t.movie_index = o.movie_index;
    END CASE;
    RETURN NULL;
END;
$$;

-- The upgrade that brings the triggers indexes the titles that are there.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = 'embrec.movies'::regclass AND t.tgname = 'titles_inserted') THEN
        CREATE TRIGGER titles_inserted AFTER INSERT ON embrec.movies
            REFERENCING NEW TABLE AS embrec_new FOR EACH STATEMENT EXECUTE FUNCTION embrec.titles_changed();
        CREATE TRIGGER titles_updated AFTER UPDATE ON embrec.movies
            REFERENCING OLD TABLE AS embrec_old NEW TABLE AS embrec_new
            FOR EACH STATEMENT EXECUTE FUNCTION embrec.titles_changed();
        CREATE TRIGGER titles_deleted AFTER DELETE ON embrec.movies
            REFERENCING OLD TABLE AS embrec_old FOR EACH STATEMENT EXECUTE FUNCTION embrec.titles_changed();
        PERFORM embrec.index_titles(ARRAY(SELECT m.movie_index FROM embrec.movies AS m));
    END IF;
END
$$;
