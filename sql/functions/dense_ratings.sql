-- Predict ratings with the dense head of an outer-product run, for a user's vector and movies (all of the run, if
-- NULL): a hidden unit is relu(bias + sum over i, j of weight[i, j] * user[i] * movie[j]), a rating the sum of the
-- units times their weights, and a bias. Row unit * dimensions + i of the matrix 'hidden' is weight[i]; the first row
-- of a unit has its bias, the others have 0. No rows for a run without such a head.
CREATE OR REPLACE FUNCTION embrec.dense_ratings(model_run_id integer, user_vector vector, movie_indexes integer[] DEFAULT NULL)
RETURNS TABLE (movie_index integer, rating double precision)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    user_values real[] := dense_ratings.user_vector::real[];
    dimensions integer := vector_dims(dense_ratings.user_vector);
    hidden vector[];
    biases real[];
    head record;
BEGIN
    IF dense_ratings.user_vector IS NULL THEN
        RETURN;
    END IF;
    -- The user's part of each unit, once for all movies.
    SELECT array_agg(u.weights ORDER BY u.unit), array_agg(u.bias ORDER BY u.unit) INTO hidden, biases
    FROM (
        SELECT
            x.row_number / dimensions AS unit,
            sum(x.embedding * array_fill(user_values[x.row_number % dimensions + 1], ARRAY[dimensions])::vector) AS weights,
            sum(x.bias) AS bias
        FROM embrec.run_matrices AS x
        WHERE x.model_run_id = dense_ratings.model_run_id AND x.matrix = 'hidden'
        GROUP BY unit
    ) AS u;
    SELECT x.embedding::real[] AS weights, x.bias INTO head
    FROM embrec.run_matrices AS x
    WHERE x.model_run_id = dense_ratings.model_run_id AND x.matrix = 'rating';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        e.index,
        head.bias + (
            SELECT sum(t.weight * greatest(t.bias - (t.hidden <#> e.embedding), 0))
            FROM unnest(hidden, biases, head.weights) AS t (hidden, bias, weight)
        )
    FROM embrec.stored_vectors('movie', dense_ratings.model_run_id, 'rating', dense_ratings.movie_indexes) AS e;
END;
$$;
