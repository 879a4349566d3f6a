-- The weighted mean of the vectors of some movies, of one part of a run; its last coordinate is that of their biases.
CREATE OR REPLACE FUNCTION embrec.mean_movie(model_run_id integer, part embrec.part, movie_indexes integer[], weights double precision[])
RETURNS vector
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT sum(
        (e.embedding || ARRAY[coalesce(e.bias, 0)]::vector)
        * array_fill((t.weight / s.total)::real, ARRAY[vector_dims(e.embedding) + 1])::vector
    )
    FROM unnest(mean_movie.movie_indexes, mean_movie.weights) AS t (movie_index, weight)
    CROSS JOIN (SELECT sum(w) AS total FROM unnest(mean_movie.weights) AS w) AS s
    JOIN embrec.movie_embeddings AS e
        ON e.model_run_id = mean_movie.model_run_id AND e.part = mean_movie.part AND e.movie_index = t.movie_index;
END;
