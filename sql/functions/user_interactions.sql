-- Return the movies that a user rated or has events of, with their ratings (NULL for events alone) and interests (NULL for
-- a rating): all that lists are made of. Ages of events count to a moment. Without events the interests are NULL, and one
-- index was looked at for them.
CREATE OR REPLACE FUNCTION embrec.user_interactions(
    user_index integer, moment timestamptz DEFAULT now(), OUT movies integer[], OUT ratings real[], OUT interests real[]
)
LANGUAGE plpgsql STABLE PARALLEL SAFE -- no SET, which takes longer than the query
AS $$
BEGIN
    SELECT array_agg(r.movie_index), array_agg(r.rating)
    INTO movies, ratings
    FROM embrec.ratings AS r
    WHERE r.user_index = user_interactions.user_index;
    IF EXISTS (SELECT FROM embrec.events AS e WHERE e.user_index = user_interactions.user_index) THEN
        SELECT array_agg(a.movie_index), array_agg(a.rating), array_agg(a.interest)
        INTO movies, ratings, interests
        FROM (
            SELECT t.movie_index, t.rating, NULL::real AS interest
            FROM unnest(movies, ratings) AS t (movie_index, rating)
            UNION ALL
            SELECT p.movie_index, NULL, p.interest
            FROM embrec.event_pairs(user_interactions.user_index, movies, user_interactions.moment) AS p
        ) AS a;
    END IF;
END;
$$;
