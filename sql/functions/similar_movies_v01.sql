-- The n movies nearest to one movie by cosine, in the published run; never the movie itself.
-- An unknown id, or a movie without a vector in that run, gives no rows.
CREATE FUNCTION embrec.similar_movies(movie_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.similar_movie
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET max_parallel_workers_per_gather = 0 -- starting workers takes longer than one partition
AS $$
#variable_conflict use_column
DECLARE
    run integer;
    compared embrec.part;
    asked integer;
    asked_vector vector;
BEGIN
    SELECT p.model_run_id, p.movie_similarity INTO run, compared FROM embrec.published_run AS p;
    SELECT e.movie_index, e.embedding INTO asked, asked_vector
    FROM embrec.movie_embeddings AS e
    WHERE e.model_run_id = run AND e.part = compared
        AND e.movie_index = (SELECT k.movie_index FROM embrec.movies AS k WHERE k.movie_id = similar_movies.movie_id);
    RETURN QUERY
    SELECT
        (row_number() OVER (ORDER BY near.distance, near.movie_index))::integer AS rank,
        m.movie_id,
        m.title,
        1 - near.distance AS similarity,
        run
    FROM (
        SELECT e.movie_index, e.embedding <=> asked_vector AS distance
        FROM embrec.movie_embeddings AS e
        WHERE e.model_run_id = run AND e.part = compared AND e.movie_index <> asked
        ORDER BY distance, e.movie_index
        LIMIT similar_movies.n
    ) AS near
    JOIN embrec.movies AS m ON m.movie_index = near.movie_index
    ORDER BY rank;
END;
$$;

CREATE FUNCTION embrec.similar_movies(movie_id bigint, n integer DEFAULT 10)
RETURNS SETOF embrec.similar_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT * FROM embrec.similar_movies(similar_movies.movie_id::text, similar_movies.n);
END;
