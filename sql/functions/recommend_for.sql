-- Recommend the n best movies for a visitor without an account, from ratings as a JSON object by movie id: {"50": 5,
-- "172": 4}; or from an array of the ids of movies watched: ["50", "172"]. Unknown movies are ignored. Otherwise as
-- recommend_movies.
CREATE OR REPLACE FUNCTION embrec.recommend_for(
    ratings jsonb,
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
BEGIN ATOMIC
    SELECT ranked.*
    FROM embrec.given_ratings(recommend_for.ratings) AS own (movies, ratings, interests)
    CROSS JOIN embrec.ranked_movies(
        (SELECT p.model_run_id FROM embrec.answering_run AS p), NULL, own.movies, own.ratings, own.interests,
        recommend_for.n, recommend_for.genres, recommend_for.without_genres, recommend_for.released_from,
        recommend_for.released_to, recommend_for.min_ratings, recommend_for.movie_ids,
        recommend_for.include_rated, recommend_for.diversity
    ) AS ranked;
END;
