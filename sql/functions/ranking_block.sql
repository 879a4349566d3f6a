-- Return a run's movies of one range of lengths, from lowest up to but not above, with their scores as in best_movies: those
-- that may pass the filters which movie_ranking has beside the vectors. A query takes the function's own in its place, so
-- it has no settings.
CREATE OR REPLACE FUNCTION embrec.ranking_block(
    model_run_id integer,
    next boolean,
    user_vector vector,
    above double precision,
    lowest double precision,
    asked_bits bigint DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL
)
RETURNS TABLE (movie_index integer, score double precision)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT e.movie_index, coalesce(e.bias, 0) - (e.embedding <#> ranking_block.user_vector) AS score
    FROM embrec.movie_ranking AS e
    WHERE e.model_run_id = ranking_block.model_run_id AND e.next = ranking_block.next
        AND e.length < ranking_block.above AND e.length >= ranking_block.lowest
        AND (ranking_block.asked_bits IS NULL OR e.genre_bits & ranking_block.asked_bits <> 0)
        AND (ranking_block.released_from IS NULL OR e.release_year >= ranking_block.released_from)
        AND (ranking_block.released_to IS NULL OR e.release_year <= ranking_block.released_to)
    OFFSET 0; -- so that a score is computed once
END;
