-- Return the n movies nearest to one movie by cosine, in the answering run; never the movie itself. Candidates are the
-- movie's stored top-n neighbours and the movies that came later; all movies, if more are wanted or none are stored; or
-- for 50,000 movies or more, those that their approximate index finds. An unknown id, or a movie without a vector in
-- that run, gives no rows.
CREATE OR REPLACE FUNCTION embrec.similar_movies(movie_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.similar_movie
LANGUAGE plpgsql STABLE -- not parallel: nearest_by_index sets parameters
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET max_parallel_workers_per_gather = 0 -- starting workers takes longer than comparing all that have no index
AS $$
#variable_conflict use_column
DECLARE
    run integer;
    compared embrec.part;
    asked integer;
    listed integer[];
    later integer[];
    near integer[];
    distances double precision[];
BEGIN
    SELECT p.model_run_id, p.movie_similarity INTO run, compared FROM embrec.answering_run AS p;
    asked := (SELECT k.movie_index FROM embrec.movies AS k WHERE k.movie_id = similar_movies.movie_id);
    IF asked IS NULL THEN
        RETURN;
    END IF;
    SELECT l.neighbours INTO listed FROM embrec.movie_neighbours AS l WHERE l.model_run_id = run AND l.movie_index = asked;
    later := ARRAY(
        SELECT l.movie_index FROM embrec.movie_neighbours AS l WHERE l.model_run_id = run AND l.neighbours IS NULL LIMIT 1001
    );
    -- Twice as many as are wanted, for the training did not round as pgvector does. Where very many came later, looking each
    -- of them up takes longer than to compare all.
    IF 2 * n::bigint <= cardinality(listed) AND cardinality(later) <= 1000 THEN
        -- The movie's own vector is read with the others': to read vectors by the run's own name takes as long as to compare.
        WITH found AS MATERIALIZED (
            SELECT e.index, e.embedding FROM embrec.stored_vectors('movie', run, compared, asked || listed[1 : 2 * n] || later) AS e
        )
        SELECT array_agg(c.index), array_agg(c.distance) INTO near, distances
        FROM (
            SELECT e.index, e.embedding <=> own.embedding AS distance
            FROM found AS e
            CROSS JOIN found AS own
            WHERE own.index = asked AND e.index <> asked
            ORDER BY distance
            FETCH FIRST similar_movies.n ROWS WITH TIES
        ) AS c;
    ELSIF embrec.has_index('movie') THEN
        SELECT array_agg(i.near_index), array_agg(i.distance) INTO near, distances
        FROM embrec.nearest_by_index('movie', asked, n) AS i;
    ELSE
        SELECT array_agg(c.near_index), array_agg(c.distance) INTO near, distances
        FROM embrec.stored_vectors('movie', run, compared, ARRAY[asked]) AS own
        CROSS JOIN embrec.nearest_of_all('movie', run, compared, asked, own.embedding, n) AS c;
    END IF;
    RETURN QUERY
    SELECT
        (row_number() OVER (ORDER BY t.distance, l.popularity_rank, m.movie_id COLLATE "C"))::integer AS rank,
        m.movie_id,
        m.title,
        1 - t.distance AS similarity,
        run
    FROM unnest(near, distances) AS t (near_index, distance)
    JOIN embrec.movies AS m ON m.movie_index = t.near_index
    LEFT JOIN embrec.movie_likes AS l ON l.movie_index = t.near_index
    WHERE t.distance <> 'NaN' -- no vector
    ORDER BY rank
    LIMIT similar_movies.n;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.similar_movies(movie_id anynonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.similar_movie
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT * FROM embrec.similar_movies(embrec.id_text(similar_movies.movie_id), similar_movies.n);
$$;
