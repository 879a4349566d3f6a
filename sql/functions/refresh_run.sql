-- Fold in the movies that a run was trained without (folded_in_movie), in place of the vectors of an earlier refresh.
-- Trained vectors stay as they are. Returns the number of movies; one that cannot be folded in is named in a warning. Only the newest thousand ratings of a movie are used:
-- more take longer and change little.
CREATE OR REPLACE FUNCTION embrec.refresh_run(run integer)
RETURNS integer
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    newcomer record;
    parts embrec.part[];
    biases real[];
    vectors vector[];
    added integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('embrec.refresh'));
    DELETE FROM embrec.movie_embeddings AS e WHERE e.model_run_id = run AND e.folded_in;
    DELETE FROM embrec.movie_neighbours AS l WHERE l.model_run_id = run AND l.neighbours IS NULL;
    FOR newcomer IN
        SELECT
            m.movie_index,
            min(m.movie_id) AS movie_id,
            (array_agg(r.user_index ORDER BY r.rated_at DESC NULLS LAST, r.user_index) FILTER (WHERE r.user_index IS NOT NULL))[1 : 1000] AS users,
            (array_agg(r.rating ORDER BY r.rated_at DESC NULLS LAST, r.user_index) FILTER (WHERE r.user_index IS NOT NULL))[1 : 1000] AS ratings
        FROM embrec.movies AS m
        LEFT JOIN embrec.ratings AS r ON r.movie_index = m.movie_index
        WHERE NOT EXISTS (
            SELECT FROM embrec.movie_embeddings AS e
            WHERE e.model_run_id = run AND e.part = 'rating' AND e.movie_index = m.movie_index
        )
        GROUP BY m.movie_index
    LOOP
        -- Only computing is tried: a subtransaction that writes would slow all snapshots down once there are many.
        BEGIN
            SELECT array_agg(v.part), array_agg(v.bias), array_agg(v.embedding) INTO parts, biases, vectors
            FROM embrec.folded_in_movie(run, newcomer.movie_index, newcomer.users, newcomer.ratings) AS v
            -- A rating vector is kept for its bias; in the other parts a vector without length is no vector.
            WHERE v.part = 'rating' OR vector_norm(v.embedding) > 0;
        EXCEPTION WHEN data_exception THEN
            RAISE WARNING 'movie % gets no vectors in model run %: %', newcomer.movie_id, run, SQLERRM
                USING HINT = 'Train again, so that its ratings take part: embrec train';
            CONTINUE;
        END;
        INSERT INTO embrec.movie_embeddings (model_run_id, part, movie_index, bias, embedding, folded_in)
        SELECT run, v.part, newcomer.movie_index, v.bias, v.embedding, true
        FROM unnest(parts, biases, vectors) AS v (part, bias, embedding);
        -- It is in nobody's list, so similar_movies compares all newcomers.
        INSERT INTO embrec.movie_neighbours (model_run_id, movie_index) VALUES (run, newcomer.movie_index);
        added := added + 1;
    END LOOP;
    RETURN added;
END;
$$;
