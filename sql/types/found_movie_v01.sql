-- One row of find_movies.
CREATE TYPE embrec.found_movie AS (
    rank integer,
    movie_id text,
    title text,
    genres text[],
    release_year smallint
);
