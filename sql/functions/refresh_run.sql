-- Fold in the movies that a run was trained without: those without vectors, and those whose vectors would be others by
-- now (newcomers). If there are any, what comes next after all such movies is counted anew (fold_in_next). The result is
-- that of folding all in anew, and what is trained stays as it is. Returns the number of movies with vectors of this kind;
-- one that cannot be folded in is named in a warning.
CREATE OR REPLACE FUNCTION embrec.refresh_run(run integer)
RETURNS integer
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    penalty vector := embrec.movie_penalty(run);
    changed boolean := false;
    newcomer record;
    solved vector;
    movie_indexes integer[] := '{}';
    fingerprints bigint[] := '{}';
    ratings vector[] := '{}';
    preferences vector[] := '{}';
    profiles vector[] := '{}';
    similarities vector[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('embrec.refresh'));
    FOR newcomer IN
        WITH changed AS MATERIALIZED (
            SELECT n.*
            FROM embrec.newcomers(run) AS n
            LEFT JOIN embrec.movie_embeddings AS e
                ON e.model_run_id = run AND e.part = 'rating' AND e.movie_index = n.movie_index
            WHERE e.fingerprint IS DISTINCT FROM n.fingerprint
        )
        SELECT c.*, m.movie_id, d.rating, d.preference, d.profile, d.similarity
        FROM embrec.described_vectors(run, ARRAY(SELECT o.movie_index FROM changed AS o)) AS d
        CROSS JOIN LATERAL unnest(d.movie_indexes) AS i (movie_index)
        JOIN changed AS c ON c.movie_index = i.movie_index
        JOIN embrec.movies AS m ON m.movie_index = c.movie_index
    LOOP
        changed := true;
        BEGIN
            IF newcomer.user_indexes IS NOT NULL THEN
                newcomer.rating := coalesce(
                    embrec.solved_movie_rating(run, newcomer.rating, penalty, newcomer.user_indexes, newcomer.ratings),
                    newcomer.rating
                );
                solved := embrec.solved_movie_preference(
                    run, newcomer.movie_index, newcomer.preference, newcomer.user_indexes
                );
                IF solved IS NOT NULL THEN
                    newcomer.preference := solved;
                    -- Shortened as a training does for n users.
                    SELECT v.profile, embrec.scaled(v.similarity, r.raters / (r.raters + 1))
                    INTO newcomer.profile, newcomer.similarity
                    FROM embrec.vectors_by_ranking(run, solved) AS v
                    CROSS JOIN (SELECT cardinality(newcomer.user_indexes)::double precision) AS r (raters);
                END IF;
            END IF;
        EXCEPTION WHEN data_exception THEN
            RAISE WARNING 'movie % gets no vectors in model run %: %', newcomer.movie_id, run, SQLERRM
                USING HINT = 'Train again, so that its ratings and events take part: embrec train';
            SELECT NULL, NULL, NULL, NULL
            INTO newcomer.rating, newcomer.preference, newcomer.profile, newcomer.similarity;
        END;
        movie_indexes := array_append(movie_indexes, newcomer.movie_index);
        fingerprints := array_append(fingerprints, newcomer.fingerprint);
        ratings := array_append(ratings, newcomer.rating);
        preferences := array_append(preferences, newcomer.preference);
        profiles := array_append(profiles, newcomer.profile);
        similarities := array_append(similarities, newcomer.similarity);
        -- Thousands are written at once, because triggers act on each statement; all would take much memory.
        IF cardinality(movie_indexes) = 10000 THEN
            PERFORM embrec.replace_folded_in(run, movie_indexes, fingerprints, ratings, preferences, profiles, similarities);
            movie_indexes := '{}';
            fingerprints := '{}';
            ratings := '{}';
            preferences := '{}';
            profiles := '{}';
            similarities := '{}';
        END IF;
    END LOOP;
    PERFORM embrec.replace_folded_in(run, movie_indexes, fingerprints, ratings, preferences, profiles, similarities);
    IF changed THEN
        PERFORM embrec.fold_in_next(run);
    END IF;
    RETURN (SELECT count(*) FROM embrec.movie_embeddings AS e WHERE e.model_run_id = run AND e.part = 'rating' AND e.folded_in);
END;
$$;
