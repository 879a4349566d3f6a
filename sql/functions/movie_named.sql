-- The id of the movie with this id, or else this title.
CREATE OR REPLACE FUNCTION embrec.movie_named(name text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT m.movie_id
    FROM embrec.movies AS m
    LEFT JOIN embrec.movie_likes AS l ON l.movie_index = m.movie_index
    WHERE m.movie_id = movie_named.name OR lower(m.title) = lower(movie_named.name)
    ORDER BY m.movie_id = movie_named.name DESC, l.popularity_rank, m.movie_id COLLATE "C"
    LIMIT 1;
END;
