-- One row of trending_movies.
CREATE TYPE embrec.trending_movie AS (
    rank integer,
    movie_id text,
    title text,
    trend double precision,
    recent_count bigint,
    rating_count bigint
);
