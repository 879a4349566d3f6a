-- Return the n best rated movies by a Bayesian average: the mean of a movie's ratings and of as many ratings of the
-- overall mean as a movie has on average, so that few high ratings do not lead. The filters are those of movies_within, but
-- min_ratings counts ratings alone: events are no part of a mean.
CREATE OR REPLACE FUNCTION embrec.best_rated_movies(
    n integer DEFAULT 10,
    genres text[] DEFAULT NULL,
    without_genres text[] DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL,
    min_ratings integer DEFAULT NULL
)
RETURNS SETOF embrec.best_rated_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        (row_number() OVER (ORDER BY s.popularity DESC, l.popularity_rank))::integer AS rank,
        m.movie_id,
        m.title,
        s.popularity,
        s.mean_rating,
        s.rating_count
    FROM embrec.movie_likes AS l
    JOIN embrec.movie_statistics AS s ON s.movie_index = l.movie_index
    JOIN embrec.movies AS m ON m.movie_index = l.movie_index
    WHERE s.rating_count >= greatest(best_rated_movies.min_ratings, 1) AND (
        num_nonnulls(
            best_rated_movies.genres, best_rated_movies.without_genres, best_rated_movies.released_from,
            best_rated_movies.released_to
        ) = 0
        OR EXISTS (
            SELECT
            FROM embrec.movies_within(
                best_rated_movies.genres, best_rated_movies.without_genres, best_rated_movies.released_from,
                best_rated_movies.released_to
            ) AS w
            WHERE w.movie_index = l.movie_index
        )
    )
    ORDER BY rank
    LIMIT best_rated_movies.n;
END;
