-- The id of the movie with this id, or else this title.
CREATE OR REPLACE FUNCTION embrec.movie_named(name text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT f.movie_id
    FROM (
        SELECT m.movie_index, m.movie_id, true AS by_id
        FROM embrec.movies AS m
        WHERE m.movie_id = movie_named.name
        UNION ALL
        SELECT m.movie_index, m.movie_id, false
        FROM embrec.movie_titles AS t
        JOIN embrec.movies AS m ON m.movie_index = t.movie_index
        WHERE t.folded = embrec.folded_text(movie_named.name) AND lower(m.title) = lower(movie_named.name)
    ) AS f
    LEFT JOIN embrec.movie_likes AS l ON l.movie_index = f.movie_index
    ORDER BY f.by_id DESC, l.popularity_rank, f.movie_id COLLATE "C"
    LIMIT 1;
END;
