-- One row of user_ratings.
CREATE TYPE embrec.rated_movie AS (
    rank integer,
    movie_id text,
    title text,
    rating real,
    rated_at timestamptz
);
