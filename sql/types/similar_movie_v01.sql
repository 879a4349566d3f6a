-- One row of similar_movies. A composite type, so that the function's parameter may be called movie_id too.
CREATE TYPE embrec.similar_movie AS (
    rank integer,
    movie_id text,
    title text,
    similarity double precision,
    model_run_id integer
);
