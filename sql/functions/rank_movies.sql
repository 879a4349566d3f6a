-- Give every movie a row in movie_counts, weigh its events by their types, and give those with ratings or events their
-- places in the order of popularity: likes and weighted events, without dislikes. Of equally popular movies the one with
-- more ratings and events comes first, then the one with the higher mean; never the one loaded first.
CREATE OR REPLACE FUNCTION embrec.rank_movies()
RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO embrec.movie_counts (movie_index)
    SELECT m.movie_index
    FROM embrec.movies AS m
    WHERE NOT EXISTS (SELECT FROM embrec.movie_counts AS c WHERE c.movie_index = m.movie_index);
    UPDATE embrec.movie_counts AS c
    SET event_count = p.event_count, event_weight = p.event_weight, popularity_rank = p.popularity_rank
    FROM (
        SELECT
            w.movie_index,
            w.event_count,
            w.event_weight,
            CASE WHEN w.number > 0 THEN row_number() OVER (
                ORDER BY
                    w.number > 0 DESC, w.like_count + w.event_weight DESC, w.number DESC, w.mean_rating DESC NULLS LAST,
                    w.movie_id COLLATE "C"
            ) END AS popularity_rank
        FROM (
            SELECT
                a.movie_index,
                m.movie_id,
                a.like_count,
                a.rating_sum / nullif(a.rating_count, 0) AS mean_rating,
                coalesce(e.event_count, 0) AS event_count,
                coalesce(e.event_weight, 0) AS event_weight,
                a.rating_count + coalesce(e.event_count, 0) AS number
            FROM embrec.movie_counts AS a
            JOIN embrec.movies AS m ON m.movie_index = a.movie_index
            LEFT JOIN (
                -- In decimals, in which ten events of weight 0.1 are one of weight 1.
                SELECT
                    n.movie_index,
                    sum(n.event_count)::bigint AS event_count,
                    sum(n.event_count * t.weight::numeric)::double precision AS event_weight
                FROM embrec.event_counts AS n
                JOIN embrec.event_types AS t ON t.event_type = n.event_type
                WHERE t.kind <> 'dislike'
                GROUP BY n.movie_index
            ) AS e ON e.movie_index = a.movie_index
        ) AS w
    ) AS p
    WHERE p.movie_index = c.movie_index
        AND (
            c.event_count IS DISTINCT FROM p.event_count OR c.event_weight IS DISTINCT FROM p.event_weight
            OR c.popularity_rank IS DISTINCT FROM p.popularity_rank
        );
END;
