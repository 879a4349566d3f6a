-- Return a user's ranking vector, from current ratings and events (user_interactions): the sum of the movies' item
-- profiles, each times its interaction_weight. NULL if none speaks for a movie that the run knows: dislikes alone say
-- nothing of what a user likes.
CREATE OR REPLACE FUNCTION embrec.preference_vector(
    model_run_id integer, movie_indexes integer[], ratings real[], interests real[] DEFAULT NULL
)
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
                embrec.interaction_weight(
                    s.rating, s.interest, r.lowest_rating, r.highest_rating, r.rating_power, r.dislike_weight
                ) AS weight
            FROM (
                SELECT t.rating, t.interest, sum(e.profile) AS profiles
                FROM unnest(preference_vector.movie_indexes, preference_vector.ratings, preference_vector.interests)
                    AS t (movie_index, rating, interest)
                JOIN embrec.movie_ranking AS e
                    ON e.model_run_id = preference_vector.model_run_id AND e.movie_index = t.movie_index AND NOT e.next
                GROUP BY t.rating, t.interest
            ) AS s
            JOIN embrec.model_runs AS r ON r.model_run_id = preference_vector.model_run_id
            OFFSET 0 -- so that a weight is computed once
        ) AS w
        HAVING bool_or(w.weight > '0' AND w.profiles IS NOT NULL)
    );
END;
$$;
