-- Return the n movies nearest to one movie (vector_distance), in the answering run; never the movie itself. The filters are
-- those of movies_within. Candidates are the movie's stored top-n neighbours and the movies that came later; for 50,000
-- movies or more, those that their approximate index finds; or all movies, if these are too few. An unknown id, or a movie
-- without a vector in that run, gives no rows.
CREATE OR REPLACE FUNCTION embrec.similar_movies(
    movie_id text,
    n integer DEFAULT 10,
    genres text[] DEFAULT NULL,
    without_genres text[] DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL,
    min_ratings integer DEFAULT NULL,
    movie_ids text[] DEFAULT NULL
)
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
    shrunk boolean;
    asked integer;
    listed integer[];
    later integer[];
    candidates integer[];
    near integer[];
    distances double precision[];
    filtered boolean := num_nonnulls(genres, without_genres, released_from, released_to, min_ratings, movie_ids) > 0;
BEGIN
    SELECT p.model_run_id, p.movie_similarity, p.shrunk_similarity INTO run, compared, shrunk FROM embrec.answering_run AS p;
    asked := (SELECT k.movie_index FROM embrec.movies AS k WHERE k.movie_id = similar_movies.movie_id);
    IF asked IS NULL THEN
        RETURN;
    END IF;
    SELECT l.neighbours INTO listed FROM embrec.movie_neighbours AS l WHERE l.model_run_id = run AND l.movie_index = asked;
    later := ARRAY(
        SELECT l.movie_index FROM embrec.movie_neighbours AS l WHERE l.model_run_id = run AND l.neighbours IS NULL LIMIT 1001
    );
    IF filtered AND listed IS NOT NULL THEN
        listed := ARRAY(
            SELECT t.movie_index
            FROM unnest(listed) WITH ORDINALITY AS t (movie_index, place)
            WHERE EXISTS (
                SELECT
                FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings, movie_ids) AS w
                WHERE w.movie_index = t.movie_index
                OFFSET 0
            )
            ORDER BY t.place
        );
    END IF;
    -- Twice as many as are wanted, for the training did not round as pgvector does. Where very many came later, looking each
    -- of them up takes longer than to compare all.
    IF 2 * n::bigint <= cardinality(listed) AND cardinality(later) <= 1000 THEN
        candidates := listed[1 : 2 * n] || later;
    ELSIF embrec.has_index('movie') THEN
        SELECT array_agg(i.near_index), array_agg(i.distance) INTO near, distances
        FROM embrec.nearest_by_index('movie', asked, CASE WHEN filtered THEN least(20 * n::bigint, 10000)::integer ELSE n END) AS i
        WHERE NOT filtered OR i.near_index IN (
            SELECT w.movie_index
            FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings, movie_ids) AS w
        );
    END IF;
    IF candidates IS NULL AND filtered AND coalesce(cardinality(near), 0) < n THEN
        candidates := ARRAY(
            SELECT w.movie_index
            FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings, movie_ids) AS w
        );
    END IF;
    IF candidates IS NOT NULL THEN
        -- The movie's own vector is read with the others': to read vectors by the run's own name takes as long as to compare.
        WITH found AS MATERIALIZED (
            SELECT e.index, e.embedding FROM embrec.stored_vectors('movie', run, compared, asked || candidates) AS e
        )
        SELECT array_agg(c.index), array_agg(c.distance) INTO near, distances
        FROM (
            SELECT e.index, embrec.vector_distance(own.embedding, e.embedding, shrunk) AS distance
            FROM found AS e
            CROSS JOIN found AS own
            WHERE own.index = asked AND e.index <> asked
                AND (NOT filtered OR EXISTS (
                    SELECT
                    FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings, movie_ids) AS w
                    WHERE w.movie_index = e.index
                    OFFSET 0
                ))
            ORDER BY distance
            FETCH FIRST similar_movies.n ROWS WITH TIES
        ) AS c;
    ELSIF near IS NULL THEN
        SELECT array_agg(c.near_index), array_agg(c.distance) INTO near, distances
        FROM embrec.stored_vectors('movie', run, compared, ARRAY[asked]) AS own
        CROSS JOIN embrec.nearest_of_all('movie', run, compared, asked, own.embedding, shrunk, n) AS c;
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

CREATE OR REPLACE FUNCTION embrec.similar_movies(
    movie_id anynonarray,
    n integer DEFAULT 10,
    genres text[] DEFAULT NULL,
    without_genres text[] DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL,
    min_ratings integer DEFAULT NULL,
    movie_ids text[] DEFAULT NULL
)
RETURNS SETOF embrec.similar_movie
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT *
    FROM embrec.similar_movies(
        embrec.id_text(similar_movies.movie_id), similar_movies.n, similar_movies.genres, similar_movies.without_genres,
        similar_movies.released_from, similar_movies.released_to, similar_movies.min_ratings, similar_movies.movie_ids
    );
$$;
