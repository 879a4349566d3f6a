-- Return the n most popular movies, which is what a user without ratings and events is recommended. Popularity is the
-- number of likes, ratings in the highest quarter of the scale, and of events weighted by their types, by movie_likes.
-- With a half-life each counts half as much for every half-life since it, and those without a time count nothing. The
-- filters are those of movies_within.
CREATE OR REPLACE FUNCTION embrec.popular_movies(
    n integer DEFAULT 10,
    genres text[] DEFAULT NULL,
    without_genres text[] DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL,
    min_ratings integer DEFAULT NULL,
    half_life interval DEFAULT NULL
)
RETURNS SETOF embrec.popular_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        (row_number() OVER (ORDER BY c.place))::integer AS rank,
        m.movie_id,
        m.title,
        c.popularity,
        c.mean_rating,
        c.rating_count,
        c.event_count
    FROM (
        SELECT s.movie_index, p.popularity, p.place, s.mean_rating, s.rating_count, s.event_count
        FROM (
            SELECT l.movie_index, l.popularity, l.popularity_rank AS place
            FROM embrec.movie_likes AS l
            WHERE popular_movies.half_life IS NULL
            UNION ALL
            SELECT
                d.movie_index,
                d.popularity,
                row_number() OVER (ORDER BY d.popularity DESC, l.popularity_rank, m.movie_id COLLATE "C")
            FROM embrec.decayed_popularity(popular_movies.half_life) AS d
            JOIN embrec.movies AS m ON m.movie_index = d.movie_index
            LEFT JOIN embrec.movie_likes AS l ON l.movie_index = d.movie_index
            WHERE popular_movies.half_life IS NOT NULL
        ) AS p
        JOIN embrec.movie_statistics AS s ON s.movie_index = p.movie_index
        WHERE (
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
        ORDER BY p.place
        LIMIT popular_movies.n
    ) AS c
    JOIN embrec.movies AS m ON m.movie_index = c.movie_index
    ORDER BY rank;
END;
