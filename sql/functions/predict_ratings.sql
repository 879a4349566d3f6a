-- Predict the ratings that users would give movies, pair by pair, from the stored vectors of the answering run: for
-- many pairs at once, because predict_rating reads each user's ratings again. Users without a vector in the run are
-- folded in. Rows come for pairs of known users and movies with a vector, in no order. The uncertainty is that of
-- rating_uncertainty.
CREATE OR REPLACE FUNCTION embrec.predict_ratings(user_ids text[], movie_ids text[])
RETURNS SETOF embrec.predicted_rating
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $$
DECLARE
    run embrec.model_runs;
BEGIN
    SELECT r.* INTO run
    FROM embrec.model_runs AS r
    WHERE r.model_run_id = (SELECT p.model_run_id FROM embrec.answering_run AS p);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- The run's own partitions are named, as in stored_vectors.
    RETURN QUERY EXECUTE format(
        $query$
        WITH
        -- One pass over the pairs, through tables whose sizes the planner knows; what few it leaves is done after it.
        pairs AS MATERIALIZED (
            SELECT
                u.user_index,
                u.user_id,
                m.movie_index,
                m.movie_id,
                s.user_index IS NOT NULL AS is_stored,
                $4 + s.bias + movie.bias - (coalesce(s.embedding, s.half::vector) <#> movie.embedding) AS value,
                coalesce(s.spread, $6)::double precision * coalesce(movie.spread, $7) AS uncertainty
            FROM unnest($1, $2) AS asked (user_id, movie_id)
            JOIN embrec.users AS u ON u.user_id = asked.user_id
            JOIN embrec.movies AS m ON m.movie_id = asked.movie_id
            JOIN embrec.movie_embeddings_run_%1$s_rating AS movie ON movie.movie_index = m.movie_index
            LEFT JOIN embrec.user_embeddings_run_%1$s_rating AS s ON s.user_index = u.user_index
        ),
        solved AS MATERIALIZED (
            SELECT other.user_index, embrec.user_rating_vector($3, other.user_index) AS vector
            FROM (SELECT DISTINCT pairs.user_index FROM pairs WHERE NOT pairs.is_stored) AS other
        ),
        predicted AS (
            SELECT pairs.user_id, pairs.movie_id, pairs.value, pairs.uncertainty
            FROM pairs
            WHERE pairs.value IS NOT NULL
            UNION ALL
            SELECT
                pairs.user_id,
                pairs.movie_id,
                $4 + movie.bias - coalesce(s.vector <#> (movie.embedding || ARRAY[$5]::vector), 0),
                pairs.uncertainty
            FROM pairs
            JOIN solved AS s ON s.user_index = pairs.user_index
            JOIN embrec.movie_embeddings_run_%1$s_rating AS movie ON movie.movie_index = pairs.movie_index
            WHERE NOT pairs.is_stored AND $4 IS NOT NULL
            UNION ALL
            SELECT pairs.user_id, pairs.movie_id, dense.rating, pairs.uncertainty
            FROM (SELECT p.user_index, array_agg(p.movie_index) AS movies FROM pairs AS p GROUP BY p.user_index) AS grouped
            JOIN embrec.user_embeddings_run_%1$s_rating AS s ON s.user_index = grouped.user_index
            CROSS JOIN embrec.dense_ratings($3, coalesce(s.embedding, s.half::vector), grouped.movies) AS dense
            JOIN pairs ON pairs.user_index = grouped.user_index AND pairs.movie_index = dense.movie_index
            WHERE $8
        )
        SELECT
            predicted.user_id,
            predicted.movie_id,
            greatest(least(predicted.value, $10), $9)::double precision,
            predicted.uncertainty,
            $3
        FROM predicted
        $query$,
        run.model_run_id
    )
    USING
        user_ids, movie_ids, run.model_run_id, run.mean, coalesce(run.bias_feature, 1), run.user_spread, run.movie_spread,
        run.serving = 'dense_head', run.lowest_rating, run.highest_rating;
END;
$$;
