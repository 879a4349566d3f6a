-- The popularity of each movie with ratings or events, and its place in that order, by movie_counts. Likes are ratings in
-- the highest quarter of the scale. Popularity is their number and the events without dislikes, weighted by type.
CREATE OR REPLACE VIEW embrec.movie_likes AS
SELECT c.movie_index, c.like_count, c.popularity_rank, c.like_count + c.event_weight AS popularity
FROM embrec.movie_counts AS c
WHERE c.popularity_rank IS NOT NULL;
