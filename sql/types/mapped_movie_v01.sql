-- One row of map_movies: what a picture of the movies is drawn from.
CREATE TYPE embrec.mapped_movie AS (
    movie_id text,
    title text,
    genres text[],
    release_year smallint,
    rating_count bigint,
    embedding real[],
    model_run_id integer
);
