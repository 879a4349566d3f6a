-- One row of recommend_movies and recommend_for. Basis is what the answer is from: 'ratings', the user's own, or
-- 'popularity', where there are none that the model knows.
CREATE TYPE embrec.recommended_movie AS (
    rank integer,
    movie_id text,
    title text,
    score double precision,
    basis text,
    model_run_id integer
);
