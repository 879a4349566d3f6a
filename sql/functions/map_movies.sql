-- Return the n movies with the most ratings and events among those with a vector in the run that answers, with the vectors by
-- which it compares them.
CREATE OR REPLACE FUNCTION embrec.map_movies(n integer DEFAULT 3000)
RETURNS SETOF embrec.mapped_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        m.movie_id,
        m.title,
        m.genres,
        m.release_year,
        coalesce(s.rating_count, 0) AS rating_count,
        e.embedding::real[],
        a.model_run_id,
        coalesce(s.event_count, 0) AS event_count
    FROM embrec.answering_run AS a
    CROSS JOIN embrec.stored_vectors('movie', a.model_run_id, a.movie_similarity, NULL) AS e
    JOIN embrec.movies AS m ON m.movie_index = e.index
    LEFT JOIN embrec.movie_statistics AS s ON s.movie_index = e.index
    LEFT JOIN embrec.movie_likes AS l ON l.movie_index = e.index
    WHERE vector_norm(e.embedding) > 0
    ORDER BY coalesce(s.rating_count + s.event_count, 0) DESC, l.popularity_rank, m.movie_id COLLATE "C"
    LIMIT map_movies.n;
END;
