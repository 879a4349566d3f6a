-- What movie_details answers; the numbers are as of the last count.
CREATE TYPE embrec.movie_detail AS (
    movie_id text,
    title text,
    genres text[],
    release_year smallint,
    rating_count bigint,
    mean_rating double precision
);
