-- Return the ranking vector of a movie that a run was trained without: the ridge regression of its ratings on the ranking
-- vectors of all users (as in embrec.models.ease.long_tail). NULL without ratings. A user's vector is the sum that
-- preference_vector computes, of trained movies alone, so that the order in which movies are folded in does not matter.
-- A dislike is little evidence of what goes together, but not evidence against it, as in training.
CREATE OR REPLACE FUNCTION embrec.solved_movie_preference(model_run_id integer, user_indexes integer[], ratings real[])
RETURNS vector
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    moment vector;
    solved vector;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = solved_movie_preference.model_run_id;
    SELECT
        sum(embrec.scaled(u.vector, embrec.rating_weight(t.rating, run.lowest_rating, run.highest_rating, run.rating_power, 0)))
    INTO moment
    FROM unnest(user_indexes, ratings) AS t (user_index, rating)
    CROSS JOIN LATERAL (
        SELECT sum(embrec.scaled(e.embedding, w.weight)) AS vector
        FROM embrec.ratings AS o
        JOIN embrec.movie_embeddings AS e
            ON e.model_run_id = run.model_run_id AND e.part = 'profile' AND e.movie_index = o.movie_index AND NOT e.folded_in
        CROSS JOIN LATERAL (
            SELECT embrec.rating_weight(
                o.rating, run.lowest_rating, run.highest_rating, run.rating_power, run.dislike_weight
            ) AS weight
        ) AS w
        WHERE o.user_index = t.user_index
        HAVING bool_or(w.weight > 0)
    ) AS u
    WHERE vector_norm(u.vector) >= coalesce(run.least_length, 0); -- not of a user of whom the run knows nothing
    IF moment IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT array_agg((-(m.embedding <#> moment))::real ORDER BY m.row_number)::vector INTO solved
    FROM embrec.run_matrices AS m
    WHERE m.model_run_id = run.model_run_id AND m.matrix = 'fold_in';
    RETURN coalesce(solved, embrec.solved_by_users(run.model_run_id, moment));
END;
$$;
