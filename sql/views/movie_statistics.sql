-- The number and the mean of each movie's ratings, and the number of its events without dislikes, by movie_counts.
-- Popularity is a Bayesian average: the mean of a movie's ratings and of as many ratings of the overall mean as a movie
-- has on average. It is computed when it is read, because each new rating changes it for every movie.
CREATE OR REPLACE VIEW embrec.movie_statistics AS
SELECT
    c.movie_index,
    c.rating_count,
    c.rating_sum / nullif(c.rating_count, 0) AS mean_rating,
    (c.rating_sum + o.weight * o.mean) / (c.rating_count + o.weight) AS popularity,
    c.event_count
FROM embrec.movie_counts AS c
-- An outer join, which the planner leaves out where popularity is not read.
LEFT JOIN (
    SELECT
        sum(a.rating_sum) / nullif(sum(a.rating_count), 0)::double precision AS mean,
        sum(a.rating_count)::double precision / greatest(count(*) FILTER (WHERE a.rating_count > 0), 1) AS weight
    FROM embrec.movie_counts AS a
) AS o ON true;
