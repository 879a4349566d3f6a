-- One row of predict_ratings.
CREATE TYPE embrec.predicted_rating AS (
    user_id text,
    movie_id text,
    predicted_rating double precision,
    model_run_id integer
);
