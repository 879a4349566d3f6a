-- Return the movies that a run was trained without: the users of each one's newest thousand interactions (more take longer
-- and change little), their ratings (NULL for events alone), the number of all its users, and a fingerprint. That changes if
-- what is folded in would: with the ratings and events of anybody of these users, with the types of these events, with the
-- movie's side information and content, or with that of a trained movie if it matters; and if the run knows the order,
-- with the times of ratings.
-- A movie has events if it had some when they were last counted (recount_events).
CREATE OR REPLACE FUNCTION embrec.newcomers(model_run_id integer)
RETURNS TABLE (movie_index integer, user_indexes integer[], ratings real[], user_count bigint, fingerprint bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH described AS MATERIALIZED (
        SELECT
            m.movie_index,
            hashtextextended(ROW(m.genres, m.release_year)::text, 0) AS description,
            CASE WHEN c.changed_at IS NULL THEN 0 ELSE hash_record_extended(ROW(c.changed_at), 0) END AS content,
            e.movie_index IS NOT NULL AS trained
        FROM embrec.movies AS m
        LEFT JOIN embrec.movie_content AS c ON c.movie_index = m.movie_index
        LEFT JOIN embrec.movie_embeddings AS e
            ON e.model_run_id = newcomers.model_run_id AND e.part = 'rating' AND e.movie_index = m.movie_index AND NOT e.folded_in
    ),
    catalogue AS (
        -- A run with maps describes a movie without the others, but for whether their content is what it learned from.
        SELECT CASE
            WHEN r.content_labels IS NULL THEN (
                SELECT bit_xor(hashint8extended(d.description, d.movie_index)) FROM described AS d WHERE d.trained
            )
            ELSE embrec.reads_content(r.model_run_id)::integer
        END AS fingerprint
        FROM embrec.model_runs AS r
        WHERE r.model_run_id = newcomers.model_run_id
    ),
    acts AS (
        SELECT r.movie_index, r.user_index, r.rating, r.rated_at AS moment
        FROM described AS d
        JOIN embrec.ratings AS r ON r.movie_index = d.movie_index
        WHERE NOT d.trained
        UNION ALL
        SELECT e.movie_index, e.user_index, NULL::real AS rating, e.occurred_at -- named, or a restored dump would name it
        FROM described AS d
        JOIN embrec.events AS e ON e.movie_index = d.movie_index
        -- All events are read if any of these movies has some, and none otherwise.
        WHERE NOT d.trained AND EXISTS (SELECT FROM embrec.event_counts AS c WHERE c.movie_index = d.movie_index)
    ),
    interactions AS MATERIALIZED (
        SELECT o.movie_index, o.user_index, o.rating, o.place, o.user_count
        FROM (
            SELECT
                a.movie_index,
                a.user_index,
                max(a.rating) AS rating,
                row_number() OVER (PARTITION BY a.movie_index ORDER BY max(a.moment) DESC NULLS LAST, a.user_index) AS place,
                count(*) OVER (PARTITION BY a.movie_index) AS user_count
            FROM acts AS a
            GROUP BY a.movie_index, a.user_index
        ) AS o
        WHERE o.place <= 1000
    ),
    users AS (
        -- All that a user did, because a vector and a history are of all that.
        SELECT
            u.user_index,
            hashint8extended(
                coalesce(embrec.ratings_fingerprint(u.user_index), 0)
                # coalesce((
                    SELECT bit_xor(hash_record_extended(ROW(r.movie_index, r.rated_at), 0))
                    FROM embrec.ratings AS r
                    WHERE r.user_index = u.user_index AND EXISTS (
                        SELECT
                        FROM embrec.model_runs AS k
                        WHERE k.model_run_id = newcomers.model_run_id AND k.history_length IS NOT NULL
                    )
                ), 0)
                # coalesce((
                    SELECT bit_xor(hash_record_extended(
                        ROW(e.event_id, e.movie_index, e.event_type, e.value, e.occurred_at, t.weight, t.half_life, t.kind), 0
                    ))
                    FROM embrec.events AS e
                    JOIN embrec.event_types AS t ON t.event_type = e.event_type
                    WHERE e.user_index = u.user_index
                ), 0),
                u.user_index
            ) AS fingerprint
        FROM (SELECT DISTINCT i.user_index FROM interactions AS i) AS u
    ),
    sums AS (
        SELECT
            i.movie_index,
            array_agg(i.user_index ORDER BY i.place) AS user_indexes,
            array_agg(i.rating ORDER BY i.place) AS ratings,
            max(i.user_count) AS user_count,
            bit_xor(u.fingerprint) AS fingerprint
        FROM interactions AS i
        JOIN users AS u ON u.user_index = i.user_index
        GROUP BY i.movie_index
    )
    SELECT
        d.movie_index,
        s.user_indexes,
        s.ratings,
        s.user_count,
        hashint8extended(d.description, coalesce(s.fingerprint, 0)) # d.content # coalesce(c.fingerprint, 0)
    FROM described AS d
    CROSS JOIN catalogue AS c
    LEFT JOIN sums AS s ON s.movie_index = d.movie_index
    WHERE NOT d.trained;
END;
