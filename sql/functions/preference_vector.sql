-- Return a user's ranking vector, from current ratings: the sum of the movies' item profiles, each times its
-- rating_weight. NULL if none of the ratings speaks for a movie that the run knows: dislikes alone say nothing of what a
-- user likes.
CREATE OR REPLACE FUNCTION embrec.preference_vector(model_run_id integer, movie_indexes integer[], ratings real[])
RETURNS vector
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
BEGIN
    SELECT * INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = preference_vector.model_run_id;
    RETURN (
        SELECT sum(embrec.scaled(s.profiles, s.weight))
        FROM (
            SELECT
                sum(e.profile) AS profiles,
                embrec.rating_weight(
                    t.rating, run.lowest_rating, run.highest_rating, run.rating_power, run.dislike_weight
                ) AS weight
            FROM unnest(preference_vector.movie_indexes, preference_vector.ratings) AS t (movie_index, rating)
            JOIN embrec.movie_ranking AS e ON e.model_run_id = run.model_run_id AND e.movie_index = t.movie_index
            GROUP BY t.rating
        ) AS s
        HAVING bool_or(s.weight > 0 AND s.profiles IS NOT NULL)
    );
END;
$$;
