-- Return the standard deviation of a rating around the prediction of predict_rating before that is limited to the
-- scale: two thirds of ratings are within one of it, 95 % within two. Users and movies that came after the training get
-- the average. NULL for an unknown id, for a movie without a vector in the run, and for a run without uncertainty.
CREATE OR REPLACE FUNCTION embrec.rating_uncertainty(user_id text, movie_id text)
RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH run AS (
        SELECT r.model_run_id, r.user_spread, r.movie_spread
        FROM embrec.model_runs AS r
        WHERE r.model_run_id = embrec.serving_run(rating_uncertainty.user_id)
    )
    SELECT coalesce(stored.spread, run.user_spread)::double precision * coalesce(movie.spread, run.movie_spread)
    FROM run
    JOIN embrec.users AS u ON u.user_id = rating_uncertainty.user_id
    JOIN embrec.movies AS m ON m.movie_id = rating_uncertainty.movie_id
    CROSS JOIN embrec.stored_vectors('movie', run.model_run_id, 'rating', ARRAY[m.movie_index]) AS movie
    LEFT JOIN embrec.stored_vectors('user', run.model_run_id, 'rating', ARRAY[u.user_index]) AS stored ON true;
END;

CREATE OR REPLACE FUNCTION embrec.rating_uncertainty(user_id text, movie_id anynonarray)
RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT embrec.rating_uncertainty(rating_uncertainty.user_id, embrec.id_text(rating_uncertainty.movie_id));
$$;

CREATE OR REPLACE FUNCTION embrec.rating_uncertainty(user_id anynonarray, movie_id text)
RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT embrec.rating_uncertainty(embrec.id_text(rating_uncertainty.user_id), rating_uncertainty.movie_id);
$$;

CREATE OR REPLACE FUNCTION embrec.rating_uncertainty(user_id anynonarray, movie_id anycompatiblenonarray)
RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT embrec.rating_uncertainty(embrec.id_text(rating_uncertainty.user_id), embrec.id_text(rating_uncertainty.movie_id));
$$;
