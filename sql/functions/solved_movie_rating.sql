-- Return the rating vector of a movie that a run was trained without, its bias as the last coordinate: the ridge
-- regression of its ratings on the users' vectors. It is shrunk to the vector by its description (prior) as much as
-- movies differ in each coordinate (penalty, of movie_penalty), in a run of ALS to zero, as its own sweeps do. NULL
-- without ratings; users whose rating is NULL are left out. Users' stored vectors are good enough, because they lack only ratings of movies that the run does not
-- know. Users without a stored vector are folded in from ratings of trained movies.
CREATE OR REPLACE FUNCTION embrec.solved_movie_rating(
    model_run_id integer, prior vector, penalty vector, user_indexes integer[], ratings real[]
)
RETURNS vector
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    width integer := vector_dims(prior);
    own_sweeps boolean;
    feature real;
    start vector;
    features vector[];
    moment vector;
    found vector;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = solved_movie_rating.model_run_id;
    own_sweeps := run.ridge_per_rating > 0;
    feature := CASE WHEN own_sweeps THEN run.bias_feature ELSE 1 END;
    start := CASE WHEN own_sweeps THEN array_fill(0, ARRAY[width])::vector ELSE prior END;
    IF run.user_vectors <> 'fold_in' THEN
        RETURN NULL;
    END IF;
    SELECT
        array_agg(x.feature),
        sum(x.feature * array_fill((x.rating - run.mean - x.bias + (x.feature <#> start))::real, ARRAY[width])::vector)
    INTO features, moment
    FROM (
        SELECT
            subvector(u.vector, 1, width - 1) || ARRAY[feature]::vector AS feature,
            run.bias_feature * (subvector(u.vector, width, 1)::real[])[1] AS bias,
            u.rating
        FROM (
            SELECT
                CASE
                    WHEN e.user_index IS NULL THEN (
                        SELECT embrec.rating_vector(run.model_run_id, array_agg(o.movie_index), array_agg(o.rating))
                        FROM embrec.ratings AS o
                        JOIN embrec.movie_embeddings AS k
                            ON k.model_run_id = run.model_run_id AND k.part = 'rating' AND k.movie_index = o.movie_index
                        WHERE o.user_index = t.user_index AND NOT k.folded_in
                    )
                    ELSE coalesce(e.embedding, e.half::vector) || ARRAY[e.bias / run.bias_feature]::vector
                END AS vector,
                t.rating
            FROM unnest(user_indexes, ratings) AS t (user_index, rating)
            LEFT JOIN embrec.user_embeddings AS e
                ON e.model_run_id = run.model_run_id AND e.part = 'rating' AND e.user_index = t.user_index
            WHERE t.rating IS NOT NULL
        ) AS u
        WHERE u.vector IS NOT NULL
    ) AS x;
    IF features IS NULL THEN
        RETURN NULL;
    END IF;
    found := start + embrec.ridge(features, moment, CASE WHEN own_sweeps
        THEN array_fill((run.ridge_constant + run.ridge_per_rating * cardinality(features))::real, ARRAY[width])::vector
        ELSE penalty
    END);
    RETURN subvector(found, 1, width - 1) || ARRAY[feature * (subvector(found, width, 1)::real[])[1]]::vector;
END;
$$;
