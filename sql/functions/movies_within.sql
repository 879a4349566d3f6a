-- Return the movies that pass the filters; a filter that is NULL lets all pass. min_ratings counts ratings and events, these
-- without dislikes, as of the last count: a database of events alone has it too.
CREATE OR REPLACE FUNCTION embrec.movies_within(
    genres text[] DEFAULT NULL,
    without_genres text[] DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL,
    min_ratings integer DEFAULT NULL,
    movie_ids text[] DEFAULT NULL
)
RETURNS TABLE (movie_index integer)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT m.movie_index
    FROM embrec.movies AS m
    -- The quick ones first.
    WHERE (movies_within.released_from IS NULL OR m.release_year >= movies_within.released_from)
        AND (movies_within.released_to IS NULL OR m.release_year <= movies_within.released_to)
        AND (
            movies_within.min_ratings IS NULL
            -- Asked of each movie, or of all at once: the planner's choice, where it knows how many there are.
            OR EXISTS (
                SELECT FROM embrec.movie_counts AS s
                WHERE s.movie_index = m.movie_index AND s.rating_count + s.event_count >= movies_within.min_ratings
            )
        )
        AND (
            movies_within.movie_ids IS NULL
            OR m.movie_id IN (SELECT candidate FROM unnest(movies_within.movie_ids) AS candidate)
        )
        AND (movies_within.genres IS NULL OR m.genres && movies_within.genres)
        AND (movies_within.without_genres IS NULL OR NOT m.genres && movies_within.without_genres);
END;
