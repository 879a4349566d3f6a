-- Return all genres, the most frequent first, and the first and last release year of their movies.
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
