-- Add the ratings and events that came, changed or went since the last count to those counted for movie_statistics and
-- movie_likes. The time it takes depends on their number and the number of movies, not on that of all ratings. All are
-- counted anew if the range of ratings is not known or has changed, or if somebody changed rows with the triggers off.
CREATE OR REPLACE FUNCTION embrec.count_changes()
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before record;
    after record;
    events_counted boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('embrec.movie_counts'));
    SELECT min(c.lowest) AS lowest, max(c.highest) AS highest, sum(c.rating_count) AS rating_count
    INTO before
    FROM embrec.movie_counts AS c;
    IF coalesce(before.rating_count, 0) = 0 THEN
        SELECT min(u.rating) AS lowest, max(u.rating) AS highest, 0 AS rating_count
        INTO before
        FROM embrec.uncounted_ratings AS u
        WHERE u.number > 0;
    END IF;
    WITH taken AS (
        DELETE FROM embrec.uncounted_ratings AS u
        RETURNING u.movie_index, u.rating::double precision AS rating, u.number
    )
    INSERT INTO embrec.movie_counts AS c (movie_index, rating_count, rating_sum, lowest, highest, like_count)
    SELECT
        t.movie_index,
        sum(t.number),
        sum(t.number * t.rating),
        min(t.rating) FILTER (WHERE t.number > 0),
        max(t.rating) FILTER (WHERE t.number > 0),
        coalesce(sum(t.number) FILTER (
            WHERE t.rating >= embrec.liked_from(before.lowest, before.highest)
        ), 0)
    FROM taken AS t
    GROUP BY t.movie_index
    ON CONFLICT (movie_index) DO UPDATE SET
        rating_count = c.rating_count + excluded.rating_count,
        rating_sum = c.rating_sum + excluded.rating_sum,
        lowest = least(c.lowest, excluded.lowest),
        highest = greatest(c.highest, excluded.highest),
        like_count = c.like_count + excluded.like_count;
    events_counted := embrec.count_events();
    SELECT min(c.lowest) AS lowest, max(c.highest) AS highest, min(least(c.rating_count, c.like_count)) AS fewest
    INTO after
    FROM embrec.movie_counts AS c;
    IF (after.lowest, after.highest) IS DISTINCT FROM (before.lowest, before.highest) OR after.fewest < 0
        OR (before.lowest IS NULL AND before.rating_count > 0) OR NOT events_counted
    THEN
        PERFORM embrec.refresh_statistics();
    ELSE
        PERFORM embrec.rank_movies();
    END IF;
END;
$$;

REVOKE ALL ON FUNCTION embrec.count_changes() FROM PUBLIC;
