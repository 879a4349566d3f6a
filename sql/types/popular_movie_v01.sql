-- One row of popular_movies.
CREATE TYPE embrec.popular_movie AS (
    rank integer,
    movie_id text,
    title text,
    popularity double precision,
    mean_rating double precision,
    rating_count bigint
);
