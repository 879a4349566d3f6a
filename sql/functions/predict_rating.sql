-- Predict the rating that a user would give a movie, by the run that serves the user, limited to the scale of its
-- ratings. A user without ratings is treated as an average one. NULL for an unknown id, for a movie without a vector in
-- the run, and, with a notice, in a run that was trained without two different ratings.
CREATE OR REPLACE FUNCTION embrec.predict_rating(user_id text, movie_id text)
RETURNS double precision
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    found_user integer := (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = predict_rating.user_id);
    run embrec.model_runs;
    movie record;
    user_vector vector;
    predicted double precision;
BEGIN
    IF found_user IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = embrec.serving_run(predict_rating.user_id);
    IF run.serving = 'two_part' AND run.mean IS NULL THEN
        RAISE NOTICE 'model run % predicts no ratings, because it was trained on events, or on ratings that are all the same; it ranks: recommend_movies',
            run.model_run_id;
        RETURN NULL;
    END IF;
    SELECT e.index, e.embedding, e.bias INTO movie
    FROM embrec.stored_vectors(
        'movie', run.model_run_id, 'rating',
        ARRAY(SELECT m.movie_index FROM embrec.movies AS m WHERE m.movie_id = predict_rating.movie_id)
    ) AS e;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    user_vector := embrec.user_rating_vector(run.model_run_id, found_user);
    IF run.serving = 'dense_head' THEN
        predicted := (
            SELECT d.rating
            FROM embrec.dense_ratings(
                run.model_run_id, subvector(user_vector, 1, vector_dims(user_vector) - 1), ARRAY[movie.index]
            ) AS d
        );
    ELSE
        predicted := run.mean + movie.bias
            - coalesce(user_vector <#> (movie.embedding || ARRAY[coalesce(run.bias_feature, 1)]::vector), 0);
    END IF;
    RETURN CASE
        WHEN predicted IS NULL THEN NULL
        ELSE greatest(least(predicted, run.highest_rating), run.lowest_rating)
    END;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.predict_rating(user_id text, movie_id anynonarray)
RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT embrec.predict_rating(predict_rating.user_id, embrec.id_text(predict_rating.movie_id));
$$;

CREATE OR REPLACE FUNCTION embrec.predict_rating(user_id anynonarray, movie_id text)
RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT embrec.predict_rating(embrec.id_text(predict_rating.user_id), predict_rating.movie_id);
$$;

CREATE OR REPLACE FUNCTION embrec.predict_rating(user_id anynonarray, movie_id anycompatiblenonarray)
RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT embrec.predict_rating(embrec.id_text(predict_rating.user_id), embrec.id_text(predict_rating.movie_id));
$$;
