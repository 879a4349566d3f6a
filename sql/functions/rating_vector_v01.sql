-- A user's vector of the rating part, from ratings as they are now; its last coordinate is the user's bias, in units of
-- the run's bias_feature. It is the ridge regression of the ratings, less the run's mean and the movies' biases, on the
-- movies' vectors, by conjugate gradients. NULL where the run knows none of the movies, or cannot solve for users.
CREATE FUNCTION embrec.rating_vector(model_run_id integer, movie_indexes integer[], ratings real[])
RETURNS vector
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    features vector[];
    targets real[];
    width integer[];
    penalty vector;
    found vector;
    residual vector;
    direction vector;
    changed vector;
    square double precision;
    start double precision;
    step double precision;
    before double precision;
BEGIN
    SELECT * INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = rating_vector.model_run_id;
    IF run.bias_feature IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT
        array_agg(e.embedding || ARRAY[run.bias_feature]::vector),
        array_agg(t.rating - run.mean - e.bias)
    INTO features, targets
    FROM unnest(rating_vector.movie_indexes, rating_vector.ratings) AS t (movie_index, rating)
    JOIN embrec.movie_embeddings AS e
        ON e.model_run_id = run.model_run_id AND e.part = 'rating' AND e.movie_index = t.movie_index;
    IF features IS NULL THEN
        RETURN NULL;
    END IF;
    width := ARRAY[vector_dims(features[1])];
    penalty := array_fill(run.ridge_constant + run.ridge_per_rating * cardinality(features), width)::vector;
    found := array_fill(0, width)::vector;
    residual := (
        SELECT sum(t.feature * array_fill(t.target, width)::vector)
        FROM unnest(features, targets) AS t (feature, target)
    );
    direction := residual;
    square := -(residual <#> residual);
    start := square;
    -- Single precision gets no further than this, mostly in some twenty steps.
    FOR number IN 1 .. 100 LOOP
        EXIT WHEN square <= 1e-13 * start;
        changed := penalty * direction + (
            SELECT sum(t.feature * array_fill((-(t.feature <#> direction))::real, width)::vector)
            FROM unnest(features) AS t (feature)
        );
        step := square / -(direction <#> changed);
        found := found + direction * array_fill(step::real, width)::vector;
        residual := residual - changed * array_fill(step::real, width)::vector;
        before := square;
        square := -(residual <#> residual);
        direction := residual + direction * array_fill((square / before)::real, width)::vector;
    END LOOP;
    RETURN found;
END;
$$;
