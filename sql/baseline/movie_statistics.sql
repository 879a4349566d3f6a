-- The number and the mean of each movie's ratings, as of the last load, train or refresh_statistics(). Popularity is a
-- Bayesian average: the mean of a movie's ratings and of as many ratings of the overall mean as a movie has on average.
CREATE MATERIALIZED VIEW embrec.movie_statistics AS
WITH overall AS (
    SELECT avg(r.rating) AS mean, count(*)::double precision / greatest(count(DISTINCT r.movie_index), 1) AS weight
    FROM embrec.ratings AS r
),
each_movie AS (
    SELECT r.movie_index, count(*) AS rating_count, sum(r.rating::double precision) AS total
    FROM embrec.ratings AS r
    GROUP BY r.movie_index
)
SELECT
    m.movie_index,
    coalesce(e.rating_count, 0) AS rating_count,
    e.total / e.rating_count AS mean_rating,
    (coalesce(e.total, 0) + o.weight * o.mean) / (coalesce(e.rating_count, 0) + o.weight) AS popularity
FROM embrec.movies AS m
CROSS JOIN overall AS o
LEFT JOIN each_movie AS e ON e.movie_index = m.movie_index;

CREATE UNIQUE INDEX movie_statistics_movie_index_idx ON embrec.movie_statistics (movie_index);
