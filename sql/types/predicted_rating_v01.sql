-- One row of predict_ratings; the uncertainty is the standard deviation of the rating around what is predicted.
CREATE TYPE embrec.predicted_rating AS (
    user_id text,
    movie_id text,
    predicted_rating double precision,
    uncertainty double precision,
    model_run_id integer
);
