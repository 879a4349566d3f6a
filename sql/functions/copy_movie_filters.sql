-- The trigger that copies a movie's genres and year, when they change, to its rows of movie_ranking in all runs. The lock is
-- that of order_movies: a run that is put in order at the same time sees the change, or is seen here.
CREATE OR REPLACE FUNCTION embrec.copy_movie_filters()
RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    -- EXCEPT has one plan for any number of rows. A join would keep that of the session's first statement, of one movie.
    IF EXISTS (
        SELECT n.movie_index, n.genres, n.release_year FROM embrec_new AS n
        EXCEPT
        SELECT o.movie_index, o.genres, o.release_year FROM embrec_old AS o
    ) THEN
        PERFORM pg_advisory_xact_lock_shared(hashtext('embrec.movie_ranking'));
        UPDATE embrec.movie_ranking AS k
        SET genre_bits = embrec.genre_bits(n.genres), release_year = n.release_year
        FROM embrec_new AS n
        CROSS JOIN embrec.model_runs AS r
        WHERE r.status = 'trained' AND k.model_run_id = r.model_run_id AND k.movie_index = n.movie_index
            AND (k.genre_bits, k.release_year) IS DISTINCT FROM (embrec.genre_bits(n.genres), n.release_year);
    END IF;
    RETURN NULL;
END;
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = 'embrec.movies'::regclass AND t.tgname = 'copy_movie_filters') THEN
        CREATE TRIGGER copy_movie_filters AFTER UPDATE ON embrec.movies
            REFERENCING OLD TABLE AS embrec_old NEW TABLE AS embrec_new
            FOR EACH STATEMENT EXECUTE FUNCTION embrec.copy_movie_filters();
    END IF;
END
$$;
