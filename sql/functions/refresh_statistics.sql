-- Count all ratings, likes and events anew for movie_statistics and movie_likes, in one scan of each table; readers are not
-- held up, and counts that are right stay untouched. With the owner's rights, so that it may be granted to an application.
CREATE OR REPLACE FUNCTION embrec.refresh_statistics()
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- One session at a time counts, here and in count_changes.
    PERFORM pg_advisory_xact_lock(hashtext('embrec.movie_counts'));
    -- In one statement, so in one snapshot: a change is either among the ratings, or stays to be counted.
    WITH counted_by_now AS (
        DELETE FROM embrec.uncounted_ratings
    ),
    grouped AS MATERIALIZED (
        SELECT r.movie_index, r.rating::double precision AS rating, count(*) AS number
        FROM embrec.ratings AS r
        GROUP BY r.movie_index, r.rating
    ),
    likes AS (
        SELECT embrec.liked_from(min(g.rating), max(g.rating)) AS from_rating FROM grouped AS g
    ),
    counted AS MATERIALIZED (
        SELECT
            m.movie_index,
            coalesce(sum(g.number), 0)::bigint AS rating_count,
            coalesce(sum(g.number * g.rating ORDER BY g.rating), 0) AS rating_sum,
            min(g.rating)::real AS lowest,
            max(g.rating)::real AS highest,
            coalesce(sum(g.number) FILTER (WHERE g.rating >= l.from_rating), 0)::bigint AS like_count
        FROM embrec.movies AS m
        CROSS JOIN likes AS l
        LEFT JOIN grouped AS g ON g.movie_index = m.movie_index
        GROUP BY m.movie_index
    ),
    known AS (
        UPDATE embrec.movie_counts AS c
        SET rating_count = n.rating_count, rating_sum = n.rating_sum, lowest = n.lowest, highest = n.highest,
            like_count = n.like_count
        FROM counted AS n
        WHERE n.movie_index = c.movie_index
            AND (c.rating_count, c.rating_sum, c.lowest, c.highest, c.like_count)
                IS DISTINCT FROM (n.rating_count, n.rating_sum, n.lowest, n.highest, n.like_count)
    )
    INSERT INTO embrec.movie_counts (movie_index, rating_count, rating_sum, lowest, highest, like_count)
    SELECT n.movie_index, n.rating_count, n.rating_sum, n.lowest, n.highest, n.like_count
    FROM counted AS n
    WHERE NOT EXISTS (SELECT FROM embrec.movie_counts AS c WHERE c.movie_index = n.movie_index);
    PERFORM embrec.recount_events();
    PERFORM embrec.rank_movies();
END;
$$;

REVOKE ALL ON FUNCTION embrec.refresh_statistics() FROM PUBLIC;
