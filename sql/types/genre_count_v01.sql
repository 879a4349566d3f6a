-- One row of known_genres.
CREATE TYPE embrec.genre_count AS (
    genre text,
    movie_count bigint,
    released_from smallint,
    released_to smallint
);
