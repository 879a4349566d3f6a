-- Fold in the movies that a run was trained without: those without vectors, and those whose vectors would be others by
-- now (newcomers). The result is that of folding all in anew. Trained vectors stay as they are. Returns the number of
-- movies with vectors of this kind; one that cannot be folded in is named in a warning.
CREATE OR REPLACE FUNCTION embrec.refresh_run(run integer)
RETURNS integer
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    penalty vector := embrec.movie_penalty(run);
    newcomer record;
    solved vector;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('embrec.refresh'));
    FOR newcomer IN
        WITH changed AS MATERIALIZED (
            SELECT n.*, e.movie_index IS NOT NULL AS known
            FROM embrec.newcomers(run) AS n
            LEFT JOIN embrec.movie_embeddings AS e
                ON e.model_run_id = run AND e.part = 'rating' AND e.movie_index = n.movie_index
            WHERE e.fingerprint IS DISTINCT FROM n.fingerprint
        )
        SELECT c.*, m.movie_id, d.rating, d.preference, d.profile, d.similarity
        FROM embrec.vectors_by_description(run, ARRAY(SELECT o.movie_index FROM changed AS o)) AS d
        CROSS JOIN LATERAL unnest(d.movie_indexes) AS i (movie_index)
        JOIN changed AS c ON c.movie_index = i.movie_index
        JOIN embrec.movies AS m ON m.movie_index = c.movie_index
    LOOP
        IF newcomer.known THEN
            DELETE FROM embrec.movie_embeddings AS e
            WHERE e.model_run_id = run AND e.part = ANY (enum_range(NULL::embrec.part)) AND e.movie_index = newcomer.movie_index;
            DELETE FROM embrec.movie_neighbours AS l WHERE l.model_run_id = run AND l.movie_index = newcomer.movie_index;
        END IF;
        -- Only computing is tried: a subtransaction that writes would slow all snapshots down once there are many.
        BEGIN
            IF newcomer.user_indexes IS NOT NULL THEN
                newcomer.rating := coalesce(
                    embrec.solved_movie_rating(run, newcomer.rating, penalty, newcomer.user_indexes, newcomer.ratings),
                    newcomer.rating
                );
                solved := embrec.solved_movie_preference(run, newcomer.user_indexes, newcomer.ratings);
                IF solved IS NOT NULL THEN
                    newcomer.preference := solved;
                    SELECT v.profile, v.similarity INTO newcomer.profile, newcomer.similarity
                    FROM embrec.vectors_by_ranking(run, solved) AS v;
                END IF;
            END IF;
        EXCEPTION WHEN data_exception THEN
            RAISE WARNING 'movie % gets no vectors in model run %: %', newcomer.movie_id, run, SQLERRM
                USING HINT = 'Train again, so that its ratings take part: embrec train';
            CONTINUE;
        END;
        INSERT INTO embrec.movie_embeddings (model_run_id, part, movie_index, bias, embedding, folded_in, fingerprint)
        SELECT run, v.part, newcomer.movie_index, v.bias, v.embedding, true, newcomer.fingerprint
        FROM (
            VALUES
                (
                    'rating'::embrec.part,
                    (newcomer.rating::real[])[vector_dims(newcomer.rating)],
                    subvector(newcomer.rating, 1, vector_dims(newcomer.rating) - 1)
                ),
                ('preference', NULL, newcomer.preference),
                ('profile', NULL, newcomer.profile),
                ('similarity', NULL, newcomer.similarity)
        ) AS v (part, bias, embedding)
        -- A rating vector is kept for its bias; in the other parts a vector without length is no vector.
        WHERE v.part = 'rating' OR vector_norm(v.embedding) > 0;
        -- It is in nobody's list, so similar_movies compares all newcomers.
        INSERT INTO embrec.movie_neighbours (model_run_id, movie_index) VALUES (run, newcomer.movie_index);
    END LOOP;
    RETURN (SELECT count(*) FROM embrec.movie_embeddings AS e WHERE e.model_run_id = run AND e.part = 'rating' AND e.folded_in);
END;
$$;
