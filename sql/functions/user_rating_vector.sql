-- Return a user's rating vector with the bias as its last coordinate, as in rating_vector: the stored one while the
-- user's ratings are the same as at training, otherwise a fold-in of current ratings. NULL if there is neither.
CREATE OR REPLACE FUNCTION embrec.user_rating_vector(model_run_id integer, user_index integer)
RETURNS vector
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    stored record;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = user_rating_vector.model_run_id;
    SELECT e.embedding, e.bias, e.fingerprint INTO stored
    FROM embrec.stored_vectors('user', user_rating_vector.model_run_id, 'rating', ARRAY[user_rating_vector.user_index]) AS e;
    -- A run that cannot solve for a user has nothing better than what it stored.
    IF FOUND AND (run.user_vectors = 'stored' OR stored.fingerprint = embrec.ratings_fingerprint(user_rating_vector.user_index)) THEN
        RETURN stored.embedding || ARRAY[coalesce(stored.bias, 0) / coalesce(run.bias_feature, 1)]::vector;
    END IF;
    RETURN (
        SELECT embrec.rating_vector(user_rating_vector.model_run_id, array_agg(r.movie_index), array_agg(r.rating))
        FROM embrec.ratings AS r
        WHERE r.user_index = user_rating_vector.user_index
    );
END;
$$;
