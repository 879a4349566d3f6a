-- One row of explain_recommendation: what a rating of the user's adds to a movie's score.
CREATE TYPE embrec.contribution AS (
    rank integer,
    movie_id text,
    title text,
    rating real,
    contribution double precision,
    score double precision,
    model_run_id integer
);
