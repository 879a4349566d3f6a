-- Return the n movies with the most likes, which is what a user without ratings is recommended. Popularity is the number
-- of likes: ratings in the highest quarter of the scale, by movie_likes. The filters are those of movies_within.
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
        (row_number() OVER (ORDER BY c.popularity_rank))::integer AS rank,
        m.movie_id,
        m.title,
        c.like_count::double precision,
        c.mean_rating,
        c.rating_count
    FROM (
        SELECT s.movie_index, l.like_count, l.popularity_rank, s.mean_rating, s.rating_count
        FROM embrec.movie_likes AS l
        JOIN embrec.movie_statistics AS s ON s.movie_index = l.movie_index
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
        ORDER BY l.popularity_rank
        LIMIT popular_movies.n
    ) AS c
    JOIN embrec.movies AS m ON m.movie_index = c.movie_index
    ORDER BY rank;
END;
