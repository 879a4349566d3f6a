-- Return a user's rating vector, from current ratings; its last coordinate is the user's bias, in units of the run's
-- bias_feature. It is the ridge regression of the ratings, minus the run's mean and the movies' biases, on the movies'
-- vectors. NULL if the run knows none of the movies, or has no fold-in.
CREATE OR REPLACE FUNCTION embrec.rating_vector(model_run_id integer, movie_indexes integer[], ratings real[])
RETURNS vector
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    features vector[];
    moment vector;
    penalty real;
BEGIN
    SELECT * INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = rating_vector.model_run_id;
    IF run.user_vectors <> 'fold_in' THEN
        RETURN NULL;
    END IF;
    SELECT
        array_agg(f.feature),
        sum(f.feature * array_fill((t.rating - run.mean - e.bias)::real, ARRAY[vector_dims(f.feature)])::vector)
    INTO features, moment
    FROM unnest(rating_vector.movie_indexes, rating_vector.ratings) AS t (movie_index, rating)
    JOIN embrec.stored_vectors('movie', run.model_run_id, 'rating', rating_vector.movie_indexes) AS e
        ON e.index = t.movie_index
    CROSS JOIN LATERAL (SELECT e.embedding || ARRAY[run.bias_feature]::vector AS feature) AS f
    WHERE t.rating IS NOT NULL;
    IF features IS NULL THEN
        RETURN NULL;
    END IF;
    penalty := run.ridge_constant + run.ridge_per_rating * cardinality(features);
    RETURN embrec.ridge(features, moment, array_fill(penalty, ARRAY[vector_dims(moment)])::vector);
END;
$$;
