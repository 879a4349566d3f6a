-- Return the n movies rated and watched much more since a time than expected from their earlier ratings and events: trend
-- is the excess over the expected number, in standard deviations of a Poisson count plus one, or a single rating would be
-- a trend. A movie's expected number is its share of all ratings and events times their number since then. Dislikes of
-- events do not count.
CREATE OR REPLACE FUNCTION embrec.trending_movies(
    since timestamptz,
    n integer DEFAULT 10,
    genres text[] DEFAULT NULL,
    without_genres text[] DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL,
    min_ratings integer DEFAULT NULL
)
RETURNS SETOF embrec.trending_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH recent AS (
        SELECT c.movie_index, sum(c.ratings)::bigint AS ratings, sum(c.events)::bigint AS events
        FROM (
            SELECT r.movie_index, count(*) AS ratings, 0 AS events
            FROM embrec.ratings AS r
            WHERE r.rated_at >= trending_movies.since
            GROUP BY r.movie_index
            UNION ALL
            SELECT e.movie_index, 0, count(*)
            FROM embrec.events AS e
            JOIN embrec.event_types AS k ON k.event_type = e.event_type
            WHERE e.occurred_at >= trending_movies.since AND k.kind <> 'dislike'
            GROUP BY e.movie_index
        ) AS c
        GROUP BY c.movie_index
    ),
    counted AS (
        SELECT
            r.movie_index,
            r.ratings + r.events AS recent_count,
            -- Some may have come since the statistics were made.
            greatest(coalesce(s.rating_count, 0), r.ratings) AS rating_count,
            greatest(coalesce(s.event_count, 0), r.events) AS event_count
        FROM recent AS r
        LEFT JOIN embrec.movie_statistics AS s ON s.movie_index = r.movie_index
    ),
    overall AS (
        SELECT
            (SELECT sum(c.recent_count) FROM counted AS c)::double precision
            / nullif((SELECT sum(s.rating_count + s.event_count) FROM embrec.movie_statistics AS s), 0) AS recent_share
    ),
    expected AS (
        SELECT c.*, (c.rating_count + c.event_count) * least(o.recent_share, 1) AS number
        FROM counted AS c
        CROSS JOIN overall AS o
    ),
    trends AS (
        SELECT e.*, (e.recent_count - e.number) / sqrt(e.number + 1) AS trend
        FROM expected AS e
    )
    SELECT
        (row_number() OVER (ORDER BY t.trend DESC, t.recent_count DESC, l.popularity_rank, m.movie_id COLLATE "C"))::integer AS rank,
        m.movie_id,
        m.title,
        t.trend,
        t.recent_count,
        t.rating_count,
        t.event_count
    FROM trends AS t
    JOIN embrec.movies AS m ON m.movie_index = t.movie_index
    LEFT JOIN embrec.movie_likes AS l ON l.movie_index = t.movie_index
    WHERE t.movie_index IN (
        SELECT w.movie_index
        FROM embrec.movies_within(
            trending_movies.genres, trending_movies.without_genres, trending_movies.released_from,
            trending_movies.released_to, trending_movies.min_ratings
        ) AS w
    )
    ORDER BY rank
    LIMIT trending_movies.n;
END;
