-- Return the ranking vector of a movie, as folded_in_movie solves for it; NULL without ratings. Users' stored vectors
-- are good enough, because they lack only ratings of movies that the run does not know. Users without a stored vector
-- are folded in. A dislike is little evidence of what goes together, but not evidence against it, as in training.
CREATE OR REPLACE FUNCTION embrec.solved_movie_preference(model_run_id integer, user_indexes integer[], ratings real[])
RETURNS vector
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    user_count integer;
    every integer;
    users vector[];
    moment vector;
    mean_square double precision;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = solved_movie_preference.model_run_id;
    -- A few thousand users tell as much as all of them of how users' vectors are spread.
    user_count := run.user_count;
    every := greatest(user_count / 2000, 1);
    SELECT
        array_agg(e.embedding * array_fill(sqrt(every)::real, ARRAY[vector_dims(e.embedding)])::vector),
        avg(-(e.embedding <#> e.embedding))
    INTO users, mean_square
    FROM embrec.user_embeddings AS e
    WHERE e.model_run_id = run.model_run_id AND e.part = 'preference' AND e.user_index % every = 0;
    SELECT sum(u.vector * array_fill(u.weight::real, ARRAY[vector_dims(u.vector)])::vector) INTO moment
    FROM (
        SELECT
            CASE
                WHEN e.embedding IS NULL THEN (
                    SELECT embrec.preference_vector(run.model_run_id, array_agg(o.movie_index), array_agg(o.rating))
                    FROM embrec.ratings AS o
                    WHERE o.user_index = t.user_index
                )
                ELSE e.embedding
            END AS vector,
            embrec.rating_weight(t.rating, run.lowest_rating, run.highest_rating, run.rating_power, 0) AS weight
        FROM unnest(user_indexes, ratings) AS t (user_index, rating)
        LEFT JOIN embrec.user_embeddings AS e
            ON e.model_run_id = run.model_run_id AND e.part = 'preference' AND e.user_index = t.user_index
    ) AS u
    WHERE u.vector IS NOT NULL; -- a user who rated nothing that the run knows has none
    IF moment IS NULL OR users IS NULL THEN
        RETURN NULL;
    END IF;
    -- Ten users of mean length, as in embrec.models.long_tail.
    RETURN embrec.ridge(
        users, moment, array_fill((10 * mean_square / vector_dims(moment))::real, ARRAY[vector_dims(moment)])::vector
    );
END;
$$;
