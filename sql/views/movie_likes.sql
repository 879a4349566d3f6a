-- The likes of each rated movie, ratings in the highest quarter of the scale, and its place in the list of the most
-- liked, by movie_counts.
CREATE OR REPLACE VIEW embrec.movie_likes AS
SELECT c.movie_index, c.like_count, c.popularity_rank
FROM embrec.movie_counts AS c
WHERE c.popularity_rank IS NOT NULL;
