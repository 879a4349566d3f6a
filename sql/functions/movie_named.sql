-- The id of the movie with this id, or else this title.
CREATE OR REPLACE FUNCTION embrec.movie_named(name text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT m.movie_id
    FROM embrec.movies AS m
    WHERE m.movie_id = movie_named.name OR lower(m.title) = lower(movie_named.name)
    ORDER BY m.movie_id = movie_named.name DESC, m.movie_index
    LIMIT 1;
END;
