-- The movies whose vectors of a part of a run promise most: lack is what sorts them, the least first, the negative product
-- with the user's vector less the bias. Filtered says whether any filter is given; they are those of movies_within.
CREATE FUNCTION embrec.best_movies(
    model_run_id integer,
    part embrec.part,
    user_vector vector,
    excluded integer[],
    filtered boolean,
    genres text[],
    without_genres text[],
    released_from integer,
    released_to integer,
    min_ratings integer,
    movie_ids text[],
    wanted bigint
)
RETURNS TABLE (movie_index integer, lack double precision)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    -- What is sorted by is as little as can be: it is computed for every movie.
    SELECT e.movie_index, (e.embedding <#> best_movies.user_vector) - coalesce(e.bias, 0) AS lack
    FROM embrec.movie_embeddings AS e
    WHERE e.model_run_id = best_movies.model_run_id AND e.part = best_movies.part
        AND e.movie_index NOT IN (SELECT unnest(best_movies.excluded))
        AND (NOT best_movies.filtered OR e.movie_index IN (
            SELECT w.movie_index
            FROM embrec.movies_within(
                best_movies.genres, best_movies.without_genres, best_movies.released_from, best_movies.released_to,
                best_movies.min_ratings, best_movies.movie_ids
            ) AS w
        ))
    ORDER BY lack, e.movie_index
    LIMIT best_movies.wanted;
END;
