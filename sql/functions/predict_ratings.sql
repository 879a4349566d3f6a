-- Predict the ratings that users would give movies, pair by pair, from the stored vectors of the answering run: for
-- many pairs at once, because predict_rating reads each user's ratings again. Users without a vector in the run are
-- folded in. Rows come for pairs of known users and movies with a vector, in no order. The uncertainty is that of
-- rating_uncertainty.
-- A million pairs are joined and not kept, because writing them to files takes as long as the products. Hence new users
-- and dense heads have statements of their own. The SELECT list unnests the pairs: FROM would write them to a file first.
CREATE OR REPLACE FUNCTION embrec.predict_ratings(user_ids text[], movie_ids text[])
RETURNS SETOF embrec.predicted_rating
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $$
DECLARE
    run embrec.model_runs;
    -- Pairs with vectors of both, in %1$s, the partitions of one run, which are named as in stored_vectors.
    stored text := $query$
        FROM (SELECT unnest($1) AS user_id, unnest($2) AS movie_id) AS asked
        JOIN embrec.users AS u ON u.user_id = asked.user_id
        JOIN embrec.movies AS m ON m.movie_id = asked.movie_id
        JOIN embrec.user_embeddings_run_%1$s_rating AS s ON s.user_index = u.user_index
        JOIN embrec.movie_embeddings_run_%1$s_rating AS movie ON movie.movie_index = m.movie_index
    $query$;
    predicted bigint;
BEGIN
    SELECT r.* INTO run
    FROM embrec.model_runs AS r
    WHERE r.model_run_id = (SELECT p.model_run_id FROM embrec.answering_run AS p);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF run.serving = 'dense_head' THEN
        RETURN QUERY EXECUTE format(
            $query$
            WITH pairs AS MATERIALIZED (
                SELECT
                    u.user_index,
                    asked.user_id,
                    m.movie_index,
                    asked.movie_id,
                    coalesce(s.spread, $4)::double precision * coalesce(movie.spread, $5) AS uncertainty
                $query$ || stored || $query$
            )
            SELECT
                pairs.user_id,
                pairs.movie_id,
                greatest(least(dense.rating, $7), $6)::double precision,
                pairs.uncertainty,
                $3
            FROM (SELECT p.user_index, array_agg(p.movie_index) AS movies FROM pairs AS p GROUP BY p.user_index) AS grouped
            JOIN embrec.user_embeddings_run_%1$s_rating AS s ON s.user_index = grouped.user_index
            CROSS JOIN embrec.dense_ratings($3, coalesce(s.embedding, s.half::vector), grouped.movies) AS dense
            JOIN pairs ON pairs.user_index = grouped.user_index AND pairs.movie_index = dense.movie_index
            $query$,
            run.model_run_id
        )
        USING
            user_ids, movie_ids, run.model_run_id, run.user_spread, run.movie_spread, run.lowest_rating, run.highest_rating;
        RETURN;
    END IF;
    IF run.mean IS NULL THEN
        RAISE NOTICE 'model run % predicts no ratings, because it was trained on events, or on ratings that are all the same; it ranks: recommend_movies',
            run.model_run_id;
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        $query$
        SELECT
            asked.user_id,
            asked.movie_id,
            greatest(
                least($4 + s.bias + movie.bias - (coalesce(s.embedding, s.half::vector) <#> movie.embedding), $8), $7
            )::double precision,
            coalesce(s.spread, $5)::double precision * coalesce(movie.spread, $6),
            $3
        $query$ || stored || 'WHERE s.bias + movie.bias IS NOT NULL',
        run.model_run_id
    )
    USING
        user_ids, movie_ids, run.model_run_id, run.mean, run.user_spread, run.movie_spread, run.lowest_rating,
        run.highest_rating;
    GET DIAGNOSTICS predicted = ROW_COUNT;
    IF predicted = cardinality(user_ids) THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        $query$
        WITH newcomers AS MATERIALIZED (
            SELECT u.user_id, embrec.user_rating_vector($3, u.user_index) AS vector
            FROM (
                SELECT a.user_id, a.user_index
                FROM embrec.users AS a
                WHERE NOT EXISTS (SELECT FROM embrec.user_embeddings_run_%1$s_rating AS s WHERE s.user_index = a.user_index)
                %2$s
            ) AS u
            WHERE u.user_id = ANY ($1)
        )
        SELECT
            asked.user_id,
            asked.movie_id,
            greatest(
                least($4 + movie.bias - coalesce(s.vector <#> (movie.embedding || ARRAY[$9]::vector), 0), $8), $7
            )::double precision,
            $5::double precision * coalesce(movie.spread, $6),
            $3
        FROM (SELECT unnest($1) AS user_id, unnest($2) AS movie_id) AS asked
        JOIN newcomers AS s ON s.user_id = asked.user_id
        JOIN embrec.movies AS m ON m.movie_id = asked.movie_id
        JOIN embrec.movie_embeddings_run_%1$s_rating AS movie ON movie.movie_index = m.movie_index
        $query$,
        run.model_run_id,
        -- For few pairs their users are looked up; for many, the few users without a vector are found first.
        CASE WHEN cardinality(user_ids) > 1000 THEN 'OFFSET 0' END
    )
    USING
        user_ids, movie_ids, run.model_run_id, run.mean, run.user_spread, run.movie_spread, run.lowest_rating,
        run.highest_rating, coalesce(run.bias_feature, 1);
END;
$$;
