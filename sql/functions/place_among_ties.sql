-- Return the place of a rating among those of its user with the same time, the oldest first: a negative number, because
-- events of that time come after. Many sites record one time for all ratings of an evening. In the order of movies their
-- last ones would be the least known, so the place is scrambled. RatingArrays.sequences computes the same.
CREATE OR REPLACE FUNCTION embrec.place_among_ties(user_index integer, movie_index integer)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (
        (
            ((place_among_ties.movie_index::bigint * 2654435761) & 2147483647)
            # ((place_among_ties.user_index::bigint * 1640531527) & 2147483647)
        ) * 2246822519 & 2147483647
    ) - 2147483648;
END;
