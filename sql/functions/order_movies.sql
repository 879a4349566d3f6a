-- Write the rows of movie_ranking of a run, for some of its movies or all (NULL), longest vector first, as best_movies looks
-- at them: the ranking vectors with their item profiles in a run of two parts, rating vectors in one that ranks by the
-- predicted rating; and with next, the movies' vectors of what comes next. A length counts the bias too (bias_scale). Genres and years are copied beside the vectors under a lock
-- that copy_movie_filters takes too, or a change that is not committed yet would be missed. The run's own partitions are
-- named, as in stored_vectors.
CREATE OR REPLACE FUNCTION embrec.order_movies(model_run_id integer, movie_indexes integer[])
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    ranked text;
    run text := 'embrec.movie_embeddings_run_' || model_run_id;
BEGIN
    SELECT CASE r.serving WHEN 'two_part' THEN 'preference' WHEN 'dot_product' THEN 'rating' END INTO ranked
    FROM embrec.model_runs AS r
    WHERE r.model_run_id = order_movies.model_run_id AND r.status = 'trained';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('embrec.movie_ranking'));
    DELETE FROM embrec.movie_ranking AS k
    WHERE k.model_run_id = order_movies.model_run_id AND (movie_indexes IS NULL OR k.movie_index = ANY (movie_indexes));
    INSERT INTO embrec.movie_ranking (model_run_id, movie_index, next, length, genre_bits, release_year, embedding)
    SELECT v.model_run_id, m.movie_index, true, vector_norm(v.embedding) AS length, embrec.genre_bits(m.genres), m.release_year, v.embedding
    FROM embrec.next_vectors AS v
    JOIN embrec.movies AS m ON m.movie_index = v.movie_index
    WHERE v.model_run_id = order_movies.model_run_id AND v.channel = 0
        AND (movie_indexes IS NULL OR v.movie_index = ANY (movie_indexes))
    ORDER BY length DESC;
    IF ranked IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format(
        $insert$
        INSERT INTO embrec.movie_ranking (model_run_id, movie_index, length, bias, genre_bits, release_year, embedding, profile)
        SELECT
            $1,
            m.movie_index,
            coalesce(sqrt(vector_norm(e.embedding) ^ 2 + coalesce((coalesce(e.bias, 0) - b.origin) / b.scale, 0) ^ 2), 0) AS length,
            e.bias,
            embrec.genre_bits(m.genres),
            m.release_year,
            e.embedding,
            %s
        FROM %s
        JOIN embrec.movies AS m USING (movie_index)
        LEFT JOIN embrec.bias_scale($1) AS b ON $3
        WHERE $2 IS NULL OR m.movie_index = ANY ($2)
        ORDER BY length DESC
        $insert$,
        CASE ranked WHEN 'preference' THEN 'p.embedding' ELSE 'NULL' END,
        -- A movie may have a profile alone, if its own score is the same for everybody.
        format(
            CASE ranked WHEN 'preference' THEN '%1$s_preference AS e FULL JOIN %1$s_profile AS p USING (movie_index)' ELSE '%1$s_rating AS e' END,
            run
        )
    )
    USING order_movies.model_run_id, movie_indexes, ranked = 'rating';
END;
$$;
