-- A movie's index, giving a new id the next one, as user_index_of does for users.
CREATE OR REPLACE FUNCTION embrec.movie_index_of(movie_id text)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    found integer := (SELECT m.movie_index FROM embrec.movies AS m WHERE m.movie_id = movie_index_of.movie_id);
BEGIN
    IF found IS NULL THEN
        PERFORM embrec.lock_indexes();
        INSERT INTO embrec.movies (movie_index, movie_id)
        SELECT coalesce(max(m.movie_index) + 1, 0), movie_index_of.movie_id FROM embrec.movies AS m
        ON CONFLICT DO NOTHING;
        found := (SELECT m.movie_index FROM embrec.movies AS m WHERE m.movie_id = movie_index_of.movie_id);
    END IF;
    RETURN found;
END;
$$;
