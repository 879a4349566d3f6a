-- Give every movie a row in movie_counts, and the rated ones their places in the list of the most liked. Of equally
-- liked movies the one with more ratings comes first, then the one with the higher mean; never the one loaded first.
CREATE OR REPLACE FUNCTION embrec.rank_movies()
RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO embrec.movie_counts (movie_index)
    SELECT m.movie_index
    FROM embrec.movies AS m
    WHERE NOT EXISTS (SELECT FROM embrec.movie_counts AS c WHERE c.movie_index = m.movie_index);
    UPDATE embrec.movie_counts AS c
    SET popularity_rank = p.popularity_rank
    FROM (
        SELECT
            a.movie_index,
            CASE WHEN a.rating_count > 0 THEN row_number() OVER (
                ORDER BY
                    a.rating_count > 0 DESC, a.like_count DESC, a.rating_count DESC,
                    a.rating_sum / nullif(a.rating_count, 0) DESC, m.movie_id COLLATE "C"
            ) END AS popularity_rank
        FROM embrec.movie_counts AS a
        JOIN embrec.movies AS m ON m.movie_index = a.movie_index
    ) AS p
    WHERE p.movie_index = c.movie_index AND c.popularity_rank IS DISTINCT FROM p.popularity_rank;
END;
