-- Return the details of a movie: one row, or none for an unknown id.
CREATE OR REPLACE FUNCTION embrec.movie_details(movie_id text)
RETURNS SETOF embrec.movie_detail
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT m.movie_id, m.title, m.genres, m.release_year, coalesce(s.rating_count, 0), s.mean_rating, coalesce(s.event_count, 0)
    FROM embrec.movies AS m
    LEFT JOIN embrec.movie_statistics AS s ON s.movie_index = m.movie_index
    WHERE m.movie_id = movie_details.movie_id;
END;

CREATE OR REPLACE FUNCTION embrec.movie_details(movie_id anynonarray)
RETURNS SETOF embrec.movie_detail
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT * FROM embrec.movie_details(embrec.id_text(movie_details.movie_id));
$$;
