-- The enumeration and the rows that functions return, as the baseline revision makes them. A released file of this folder
-- is never edited: a revision adds a type or changes one, by ALTER TYPE.

-- The kinds of vectors of a run. Ratings are predicted from the rating part (the rating model). Movies are ranked for a
-- user by the product of vectors of the preference part (the ranking model), in which a user's vector is the weighted
-- sum of the item profiles of the movies they rated. Movies are compared by the similarity part.
CREATE TYPE embrec.part AS ENUM ('rating', 'preference', 'profile', 'similarity');

-- One row of similar_movies. A composite type, so that the function's parameter may be called movie_id too.
CREATE TYPE embrec.similar_movie AS (
    rank integer,
    movie_id text,
    title text,
    similarity double precision,
    model_run_id integer
);

-- One row of similar_users.
CREATE TYPE embrec.similar_user AS (
    rank integer,
    user_id text,
    similarity double precision,
    model_run_id integer
);

-- One row of find_movies.
CREATE TYPE embrec.found_movie AS (
    rank integer,
    movie_id text,
    title text,
    genres text[],
    release_year smallint
);

-- One row of recommend_movies and recommend_for. Basis is the source of the answer: 'ratings', the user's own, or
-- 'popularity', if the user has none that the model knows.
CREATE TYPE embrec.recommended_movie AS (
    rank integer,
    movie_id text,
    title text,
    score double precision,
    basis text,
    model_run_id integer
);

-- One row of predict_ratings; the uncertainty is the standard deviation of the rating around the prediction.
CREATE TYPE embrec.predicted_rating AS (
    user_id text,
    movie_id text,
    predicted_rating double precision,
    uncertainty double precision,
    model_run_id integer
);

-- One row of explain_recommendation: the amount that a rating of the user adds to a movie's score.
CREATE TYPE embrec.contribution AS (
    rank integer,
    movie_id text,
    title text,
    rating real,
    contribution double precision,
    score double precision,
    model_run_id integer
);

-- One row of popular_movies.
CREATE TYPE embrec.popular_movie AS (
    rank integer,
    movie_id text,
    title text,
    popularity double precision,
    mean_rating double precision,
    rating_count bigint
);

-- One row of trending_movies.
CREATE TYPE embrec.trending_movie AS (
    rank integer,
    movie_id text,
    title text,
    trend double precision,
    recent_count bigint,
    rating_count bigint
);

-- The row of movie_details; the numbers are as of the last count.
CREATE TYPE embrec.movie_detail AS (
    movie_id text,
    title text,
    genres text[],
    release_year smallint,
    rating_count bigint,
    mean_rating double precision
);

-- One row of user_ratings.
CREATE TYPE embrec.rated_movie AS (
    rank integer,
    movie_id text,
    title text,
    rating real,
    rated_at timestamptz
);

-- One row of trained_runs.
CREATE TYPE embrec.trained_run AS (
    model_run_id integer,
    architecture text,
    published boolean,
    finished_at timestamptz,
    rating_count bigint,
    lowest_rating real,
    highest_rating real,
    metrics jsonb
);

-- One row of map_movies: a movie and its vector, for a map of the movies.
CREATE TYPE embrec.mapped_movie AS (
    movie_id text,
    title text,
    genres text[],
    release_year smallint,
    rating_count bigint,
    embedding real[],
    model_run_id integer
);

-- One row of known_genres.
CREATE TYPE embrec.genre_count AS (
    genre text,
    movie_count bigint,
    released_from smallint,
    released_to smallint
);
