-- Predict the ratings that users would give movies, pair by pair, from the stored vectors of the answering run: for
-- many pairs at once, because predict_rating reads each user's ratings again. Users without a vector in the run are
-- folded in. Rows come for pairs of known users and movies with a vector, in no order. The uncertainty is that of
-- rating_uncertainty.
CREATE OR REPLACE FUNCTION embrec.predict_ratings(user_ids text[], movie_ids text[])
RETURNS SETOF embrec.predicted_rating
LANGUAGE sql STABLE PARALLEL SAFE
-- Inlined, it would be planned before its statement's snapshot is taken: a run that is attached and published between
-- the two would be the published one without a partition in the plan. A function with settings is not inlined.
SET plan_cache_mode = force_custom_plan
BEGIN ATOMIC
    WITH run AS (
        -- Not r.*: it would depend on columns that later revisions add, and could not be put back below them.
        SELECT
            r.model_run_id, r.serving, r.mean, r.lowest_rating, r.highest_rating, r.user_spread, r.movie_spread,
            coalesce(r.bias_feature, 1) AS feature
        FROM embrec.model_runs AS r
        WHERE r.model_run_id = (SELECT p.model_run_id FROM embrec.answering_run AS p)
    ),
    stored AS NOT MATERIALIZED (
        SELECT e.user_index, e.embedding, e.bias, e.spread
        FROM embrec.user_embeddings AS e
        WHERE e.model_run_id = (SELECT run.model_run_id FROM run) AND e.part = 'rating'
    ),
    movie AS NOT MATERIALIZED (
        SELECT e.movie_index, e.embedding, e.bias, e.spread
        FROM embrec.movie_embeddings AS e
        WHERE e.model_run_id = (SELECT run.model_run_id FROM run) AND e.part = 'rating'
    ),
    -- One pass over the pairs, through tables whose sizes the planner knows; what few it leaves is done after it.
    pairs AS MATERIALIZED (
        SELECT
            u.user_index,
            u.user_id,
            m.movie_index,
            m.movie_id,
            s.user_index IS NOT NULL AS is_stored,
            run.mean + s.bias + movie.bias - (s.embedding <#> movie.embedding) AS value,
            coalesce(s.spread, run.user_spread)::double precision * coalesce(movie.spread, run.movie_spread) AS uncertainty
        FROM run
        CROSS JOIN unnest(predict_ratings.user_ids, predict_ratings.movie_ids) AS asked (user_id, movie_id)
        JOIN embrec.users AS u ON u.user_id = asked.user_id
        JOIN embrec.movies AS m ON m.movie_id = asked.movie_id
        JOIN movie ON movie.movie_index = m.movie_index
        LEFT JOIN stored AS s ON s.user_index = u.user_index
    ),
    solved AS MATERIALIZED (
        SELECT other.user_index, embrec.user_rating_vector(run.model_run_id, other.user_index) AS vector
        FROM run
        CROSS JOIN (SELECT DISTINCT pairs.user_index FROM pairs WHERE NOT pairs.is_stored) AS other
    ),
    predicted AS (
        SELECT pairs.user_id, pairs.movie_id, pairs.value, pairs.uncertainty
        FROM pairs
        WHERE pairs.value IS NOT NULL
        UNION ALL
        SELECT
            pairs.user_id,
            pairs.movie_id,
            run.mean + movie.bias - coalesce(s.vector <#> (movie.embedding || ARRAY[run.feature]::vector), 0),
            pairs.uncertainty
        FROM run
        CROSS JOIN pairs
        JOIN solved AS s ON s.user_index = pairs.user_index
        JOIN movie ON movie.movie_index = pairs.movie_index
        WHERE NOT pairs.is_stored AND run.mean IS NOT NULL
        UNION ALL
        SELECT pairs.user_id, pairs.movie_id, dense.rating, pairs.uncertainty
        FROM run
        CROSS JOIN (SELECT p.user_index, array_agg(p.movie_index) AS movies FROM pairs AS p GROUP BY p.user_index) AS grouped
        JOIN stored AS s ON s.user_index = grouped.user_index
        CROSS JOIN embrec.dense_ratings(run.model_run_id, s.embedding, grouped.movies) AS dense
        JOIN pairs ON pairs.user_index = grouped.user_index AND pairs.movie_index = dense.movie_index
        WHERE run.serving = 'dense_head'
    )
    SELECT
        predicted.user_id,
        predicted.movie_id,
        greatest(least(predicted.value, run.highest_rating), run.lowest_rating)::double precision,
        predicted.uncertainty,
        run.model_run_id
    FROM run
    CROSS JOIN predicted;
END;
