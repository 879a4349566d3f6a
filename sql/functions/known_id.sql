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
            (SELECT a.model_run_id FROM embrec.answering_run AS a) AS run
    )
    SELECT
        asked.index IS NOT NULL,
        asked.run,
        CASE known_id.side
            WHEN 'user' THEN EXISTS (
                SELECT
                FROM embrec.user_embeddings AS e
                WHERE e.model_run_id = (SELECT a.model_run_id FROM embrec.answering_run AS a)
                    AND e.part = (SELECT a.user_similarity FROM embrec.answering_run AS a)
                    AND e.user_index = asked.index
            )
            WHEN 'movie' THEN EXISTS (
                SELECT
                FROM embrec.movie_embeddings AS e
                WHERE e.model_run_id = (SELECT a.model_run_id FROM embrec.answering_run AS a)
                    AND e.part = (SELECT a.movie_similarity FROM embrec.answering_run AS a)
                    AND e.movie_index = asked.index
            )
        END
    FROM asked;
END;
