-- The genres that there are, the most frequent first, and between which years their movies came out.
CREATE OR REPLACE FUNCTION embrec.known_genres()
RETURNS SETOF embrec.genre_count
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT g.genre, count(*) AS movie_count, min(m.release_year), max(m.release_year)
    FROM embrec.movies AS m
    CROSS JOIN unnest(m.genres) AS g (genre)
    GROUP BY g.genre
    ORDER BY movie_count DESC, g.genre;
END;
