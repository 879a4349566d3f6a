-- Return what a user did: ratings, as events of type 0 whose value is the rating, and all events. Their order in time is
-- occurred_at DESC NULLS LAST, place DESC, movie_index DESC, newest first: those without a time are the oldest, and of equal
-- times ratings are older, by place_among_ties, then events by arrival. A query takes the function's own in its place, so it
-- has no settings.
CREATE OR REPLACE FUNCTION embrec.user_acts(user_index integer)
RETURNS TABLE (movie_index integer, event_type smallint, value real, occurred_at timestamptz, place bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT r.movie_index, 0::smallint, r.rating, r.rated_at, embrec.place_among_ties(r.user_index, r.movie_index)
    FROM embrec.ratings AS r
    WHERE r.user_index = user_acts.user_index
    UNION ALL
    SELECT e.movie_index, e.event_type, e.value, e.occurred_at, e.event_id
    FROM embrec.events AS e
    WHERE e.user_index = user_acts.user_index;
END;
