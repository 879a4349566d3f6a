-- Write the rows of movie_ranking of a run, for some of its movies or all (NULL), longest vector first, as best_movies looks
-- at them: the ranking vectors with their item profiles in a run of two parts, rating vectors in one that ranks by the
-- predicted rating. A length counts the bias too (bias_scale). Genres and years are copied beside the vectors under a lock
-- that copy_movie_filters takes too, or a change that is not committed yet would be missed. The run's own partitions are
-- named, as in stored_vectors.
CREATE OR REPLACE FUNCTION embrec.order_movies(model_run_id integer, movie_indexes integer[])
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    ranked text := (
        SELECT CASE r.serving WHEN 'two_part' THEN 'preference' WHEN 'dot_product' THEN 'rating' END
        FROM embrec.model_runs AS r
        WHERE r.model_run_id = order_movies.model_run_id AND r.status = 'trained'
    );
    leaf text := 'embrec.movie_embeddings_run_' || model_run_id || '_';
BEGIN
    IF to_regclass(leaf || ranked) IS NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('embrec.movie_ranking'));
    DELETE FROM embrec.movie_ranking AS k
    WHERE k.model_run_id = order_movies.model_run_id AND (movie_indexes IS NULL OR k.movie_index = ANY (movie_indexes));
    EXECUTE format(
        $insert$
        INSERT INTO embrec.movie_ranking (model_run_id, movie_index, length, bias, genre_bits, release_year, embedding, profile)
        SELECT
            $1,
            e.movie_index,
            sqrt(vector_norm(e.embedding) ^ 2 + coalesce((coalesce(e.bias, 0) - b.origin) / b.scale, 0) ^ 2) AS length,
            e.bias,
            embrec.genre_bits(m.genres),
            m.release_year,
            e.embedding,
            %s
        FROM %s AS e
        JOIN embrec.movies AS m ON m.movie_index = e.movie_index
        LEFT JOIN embrec.bias_scale($1) AS b ON $3
        %s
        %s
        ORDER BY length DESC
        $insert$,
        CASE ranked WHEN 'preference' THEN 'p.embedding' ELSE 'NULL' END,
        leaf || ranked,
        CASE ranked WHEN 'preference' THEN format('LEFT JOIN %s AS p ON p.movie_index = e.movie_index', leaf || 'profile') END,
        CASE WHEN movie_indexes IS NOT NULL THEN 'WHERE e.movie_index = ANY ($2)' END
    )
    USING model_run_id, movie_indexes, ranked = 'rating';
END;
$$;
