-- Check whether a user's or movie's id is known, which run answers (the published one, unless another is previewed),
-- and whether that run has a vector of it. For roles that may call functions but read no table.
CREATE OR REPLACE FUNCTION embrec.known_id(side text, id text, OUT known boolean, OUT published integer, OUT has_vector boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH asked AS (
        SELECT
            CASE known_id.side
                WHEN 'user' THEN (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = known_id.id)
                WHEN 'movie' THEN (SELECT m.movie_index FROM embrec.movies AS m WHERE m.movie_id = known_id.id)
            END AS index,
            a.model_run_id AS run,
            a.user_similarity AS user_part,
            a.movie_similarity AS movie_part
        FROM (SELECT) AS always
        LEFT JOIN embrec.answering_run AS a ON true
    )
    SELECT
        asked.index IS NOT NULL,
        asked.run,
        CASE known_id.side
            -- Another side has no vectors.
            WHEN 'user' THEN EXISTS (SELECT FROM embrec.stored_vectors('user', asked.run, asked.user_part, ARRAY[asked.index]))
            WHEN 'movie' THEN EXISTS (SELECT FROM embrec.stored_vectors('movie', asked.run, asked.movie_part, ARRAY[asked.index]))
        END
    FROM asked;
END;
