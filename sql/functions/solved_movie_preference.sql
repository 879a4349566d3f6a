-- Return the ranking vector of a movie that a run was trained without: the ridge regression of what some users rated or
-- watched on their ranking vectors (as in embrec.models.ease.long_tail). NULL without users. A user's vector is the sum that
-- preference_vector computes, of trained movies alone, so that the order in which movies are folded in does not matter.
-- Ages of events count to the newest event that the run learned from, as in training: the vector does not depend on the
-- moment of the refresh. A dislike is little evidence of what goes together, but not evidence against it, as in training.
--
-- The vector by its description (prior) is added, times 40 / (40 + n) for n of these users: what is known of a movie counts as
-- much as forty ratings. Without it a movie with its first ratings would rank behind those that nobody rated.
CREATE OR REPLACE FUNCTION embrec.solved_movie_preference(
    model_run_id integer, movie_index integer, prior vector, user_indexes integer[]
)
RETURNS vector
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    number integer;
    moment vector;
    solved vector;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = solved_movie_preference.model_run_id;
    SELECT count(*), sum(embrec.scaled(u.vector, o.evidence) ORDER BY t.place) INTO number, moment
    FROM unnest(user_indexes) WITH ORDINALITY AS t (user_index, place)
    CROSS JOIN LATERAL embrec.user_interactions(t.user_index, coalesce(run.newest_event_at, run.started_at)) AS i
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN i.interests[a.place] < 0 THEN 0.2::double precision ^ run.rating_power -- that of the lowest rating
            ELSE embrec.interaction_weight(
                i.ratings[a.place], i.interests[a.place], run.lowest_rating, run.highest_rating, run.rating_power, 0
            )
        END AS evidence
        FROM array_position(i.movies, solved_movie_preference.movie_index) AS a (place)
        OFFSET 0
    ) AS o
    CROSS JOIN LATERAL (
        SELECT sum(embrec.scaled(w.embedding, w.weight)) AS vector
        FROM (
            SELECT e.embedding, embrec.interaction_weight(
                p.rating, p.interest, run.lowest_rating, run.highest_rating, run.rating_power, run.dislike_weight
            ) AS weight
            FROM unnest(i.movies, i.ratings, i.interests) AS p (movie_index, rating, interest)
            -- By the key: the planner does not know of how many movies the arrays are.
            CROSS JOIN LATERAL (
                SELECT k.embedding
                FROM embrec.movie_embeddings AS k
                WHERE k.model_run_id = run.model_run_id AND k.part = 'profile' AND k.movie_index = p.movie_index AND NOT k.folded_in
                OFFSET 0
            ) AS e
            OFFSET 0 -- so that a weight is computed once
        ) AS w
        HAVING bool_or(w.weight > 0)
    ) AS u
    WHERE vector_norm(u.vector) >= coalesce(run.least_length, 0); -- not of a user of whom the run knows nothing
    IF moment IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT array_agg((-(m.embedding <#> moment))::real ORDER BY m.row_number)::vector INTO solved
    FROM embrec.run_matrices AS m
    WHERE m.model_run_id = run.model_run_id AND m.matrix = 'fold_in';
    solved := coalesce(solved, embrec.solved_by_users(run.model_run_id, moment));
    RETURN coalesce(solved + embrec.scaled(prior, 40 / (40 + number::double precision)), solved);
END;
$$;
