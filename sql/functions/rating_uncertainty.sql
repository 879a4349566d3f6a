-- The standard deviation of a rating around what predict_rating says before that is kept within the scale: two thirds
-- of ratings are within one of them, 95 % within two. Who came after the training has that of an average user or movie.
-- NULL for an unknown id, for a movie that the run has no vector of, and for a run that does not know how sure it is.
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
    JOIN embrec.movie_embeddings AS movie
        ON movie.model_run_id = (SELECT run.model_run_id FROM run)
            AND movie.part = 'rating'
            AND movie.movie_index = m.movie_index
    LEFT JOIN embrec.user_embeddings AS stored
        ON stored.model_run_id = (SELECT run.model_run_id FROM run)
            AND stored.part = 'rating'
            AND stored.user_index = u.user_index;
END;

CREATE OR REPLACE FUNCTION embrec.rating_uncertainty(user_id bigint, movie_id bigint)
RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT embrec.rating_uncertainty(rating_uncertainty.user_id::text, rating_uncertainty.movie_id::text);
END;
