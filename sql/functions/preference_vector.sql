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
BEGIN
    RETURN (
        SELECT sum(embrec.scaled(w.profiles, w.weight))
        FROM (
            SELECT
                s.profiles,
                embrec.rating_weight(s.rating, r.lowest_rating, r.highest_rating, r.rating_power, r.dislike_weight) AS weight
            FROM (
                SELECT t.rating, sum(e.profile) AS profiles
                FROM unnest(preference_vector.movie_indexes, preference_vector.ratings) AS t (movie_index, rating)
                JOIN embrec.movie_ranking AS e
                    ON e.model_run_id = preference_vector.model_run_id AND e.movie_index = t.movie_index AND NOT e.next
                GROUP BY t.rating
            ) AS s
            JOIN embrec.model_runs AS r ON r.model_run_id = preference_vector.model_run_id
            OFFSET 0 -- so that a weight is computed once
        ) AS w
        HAVING bool_or(w.weight > '0' AND w.profiles IS NOT NULL)
    );
END;
$$;
