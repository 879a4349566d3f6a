-- Recommend the n best movies for a user, from current ratings and events: one that is inserted, changed or deleted
-- changes the next answer. Movies that the user rated or watched are left out unless include_rated. The filters are those
-- of movies_within, diversity is that of ranked_movies. A user without either, or unknown, gets the most popular movies.
CREATE OR REPLACE FUNCTION embrec.recommend_movies(
    user_id text,
    n integer DEFAULT 10,
    genres text[] DEFAULT NULL,
    without_genres text[] DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL,
    min_ratings integer DEFAULT NULL,
    movie_ids text[] DEFAULT NULL,
    include_rated boolean DEFAULT false,
    diversity double precision DEFAULT 0
)
RETURNS SETOF embrec.recommended_movie
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    own_index integer := (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = recommend_movies.user_id);
    own record;
BEGIN
    SELECT i.* INTO own FROM embrec.user_interactions(own_index) AS i;
    RETURN QUERY
    SELECT ranked.*
    FROM embrec.ranked_movies(
        embrec.serving_run(recommend_movies.user_id), own_index, own.movies, own.ratings, own.interests, n, genres,
        without_genres, released_from, released_to, min_ratings, movie_ids, include_rated, diversity
    ) AS ranked;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.recommend_movies(
    user_id anynonarray,
    n integer DEFAULT 10,
    genres text[] DEFAULT NULL,
    without_genres text[] DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL,
    min_ratings integer DEFAULT NULL,
    movie_ids text[] DEFAULT NULL,
    include_rated boolean DEFAULT false,
    diversity double precision DEFAULT 0
)
RETURNS SETOF embrec.recommended_movie
LANGUAGE sql STABLE
AS $$
    SELECT *
    FROM embrec.recommend_movies(
        embrec.id_text(recommend_movies.user_id), recommend_movies.n, recommend_movies.genres, recommend_movies.without_genres,
        recommend_movies.released_from, recommend_movies.released_to, recommend_movies.min_ratings,
        recommend_movies.movie_ids, recommend_movies.include_rated, recommend_movies.diversity
    );
$$;
