-- The n movies nearest to one movie by cosine, in the published run; never the movie itself.
-- An unknown id, or a movie without a vector in that run, gives no rows.
CREATE FUNCTION embrec.similar_movies(movie_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.similar_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        (row_number() OVER (ORDER BY near.distance, near.movie_index))::integer AS rank,
        m.movie_id,
        m.title,
        1 - near.distance AS similarity,
        near.model_run_id
    FROM (
        SELECT e.movie_index, e.model_run_id, e.embedding <=> q.embedding AS distance
        FROM embrec.movie_embeddings AS q
        JOIN embrec.movie_embeddings AS e ON e.movie_index <> q.movie_index
        WHERE q.movie_index = (SELECT k.movie_index FROM embrec.movies AS k WHERE k.movie_id = similar_movies.movie_id)
            AND q.model_run_id = (SELECT r.model_run_id FROM embrec.published_run AS r)
            AND q.part = (SELECT r.movie_similarity FROM embrec.published_run AS r)
            AND e.model_run_id = (SELECT r.model_run_id FROM embrec.published_run AS r)
            AND e.part = (SELECT r.movie_similarity FROM embrec.published_run AS r)
        ORDER BY distance, e.movie_index
        LIMIT similar_movies.n
    ) AS near
    JOIN embrec.movies AS m ON m.movie_index = near.movie_index
    ORDER BY rank;
END;

CREATE FUNCTION embrec.similar_movies(movie_id bigint, n integer DEFAULT 10)
RETURNS SETOF embrec.similar_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT * FROM embrec.similar_movies(similar_movies.movie_id::text, similar_movies.n);
END;
