-- The n most popular movies that are rated at all, by movie_statistics; the filters are those of movies_within.
CREATE OR REPLACE FUNCTION embrec.popular_movies(
    n integer DEFAULT 10,
    genres text[] DEFAULT NULL,
    without_genres text[] DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL,
    min_ratings integer DEFAULT NULL
)
RETURNS SETOF embrec.popular_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        (row_number() OVER (ORDER BY c.popularity DESC, c.movie_index))::integer AS rank,
        m.movie_id,
        m.title,
        c.popularity,
        c.mean_rating,
        c.rating_count
    FROM (
        SELECT s.movie_index, s.popularity, s.mean_rating, s.rating_count
        FROM embrec.movie_statistics AS s
        WHERE s.rating_count > 0
            AND (
                num_nonnulls(
                    popular_movies.genres, popular_movies.without_genres, popular_movies.released_from,
                    popular_movies.released_to, popular_movies.min_ratings
                ) = 0
                OR EXISTS (
                    SELECT
                    FROM embrec.movies_within(
                        popular_movies.genres, popular_movies.without_genres, popular_movies.released_from,
                        popular_movies.released_to, popular_movies.min_ratings
                    ) AS w
                    WHERE w.movie_index = s.movie_index
                )
            )
        ORDER BY s.popularity DESC, s.movie_index
        LIMIT popular_movies.n
    ) AS c
    JOIN embrec.movies AS m ON m.movie_index = c.movie_index
    ORDER BY rank;
END;
