-- For those who may call functions and read no table: whether a user's or movie's id is known, which run is published,
-- and whether that has a vector of it.
CREATE FUNCTION embrec.known_id(side text, id text, OUT known boolean, OUT published integer, OUT has_vector boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        CASE known_id.side
            WHEN 'user' THEN EXISTS (SELECT FROM embrec.users AS u WHERE u.user_id = known_id.id)
            WHEN 'movie' THEN EXISTS (SELECT FROM embrec.movies AS m WHERE m.movie_id = known_id.id)
        END,
        (SELECT p.model_run_id FROM embrec.published_run AS p),
        CASE known_id.side
            WHEN 'user' THEN EXISTS (SELECT FROM embrec.published_user_embeddings AS e WHERE e.user_id = known_id.id)
            WHEN 'movie' THEN EXISTS (SELECT FROM embrec.published_movie_embeddings AS e WHERE e.movie_id = known_id.id)
        END;
END;
