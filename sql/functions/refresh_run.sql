-- Fold in the movies that a run was trained without (folded_in_movie), in place of the vectors of an earlier refresh.
-- Trained vectors stay as they are. Returns the number of movies. Only the newest thousand ratings of a movie are used:
-- more take longer and change little.
CREATE OR REPLACE FUNCTION embrec.refresh_run(run integer)
RETURNS integer
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    added integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('embrec.refresh'));
    DELETE FROM embrec.movie_embeddings AS e WHERE e.model_run_id = run AND e.folded_in;
    DELETE FROM embrec.movie_neighbours AS l WHERE l.model_run_id = run AND l.neighbours IS NULL;
    WITH newcomers AS MATERIALIZED (
        SELECT m.movie_index
        FROM embrec.movies AS m
        WHERE NOT EXISTS (
            SELECT FROM embrec.movie_embeddings AS e
            WHERE e.model_run_id = run AND e.part = 'rating' AND e.movie_index = m.movie_index
        )
    ),
    rated AS MATERIALIZED (
        SELECT
            n.movie_index,
            (array_agg(r.user_index ORDER BY r.rated_at DESC NULLS LAST, r.user_index) FILTER (WHERE r.user_index IS NOT NULL))[1 : 1000] AS users,
            (array_agg(r.rating ORDER BY r.rated_at DESC NULLS LAST, r.user_index) FILTER (WHERE r.user_index IS NOT NULL))[1 : 1000] AS ratings
        FROM newcomers AS n
        LEFT JOIN embrec.ratings AS r ON r.movie_index = n.movie_index
        GROUP BY n.movie_index
    )
    INSERT INTO embrec.movie_embeddings (model_run_id, part, movie_index, bias, embedding, folded_in)
    SELECT run, v.part, rated.movie_index, v.bias, v.embedding, true
    FROM rated
    CROSS JOIN LATERAL embrec.folded_in_movie(run, rated.movie_index, rated.users, rated.ratings) AS v;
    -- They are in nobody's list, so similar_movies compares all of them.
    INSERT INTO embrec.movie_neighbours (model_run_id, movie_index)
    SELECT run, e.movie_index
    FROM embrec.movie_embeddings AS e
    WHERE e.model_run_id = run AND e.part = 'rating' AND e.folded_in;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END;
$$;
