-- Return a number that changes when any rating of a user does: the exclusive or, over the user's ratings, of the
-- product of two scrambled numbers, the movie's index and the bits of the rating. embrec.data.extraction computes the same when a run is trained, so a run knows
-- whose stored vectors are current. NULL for a user without ratings.
CREATE OR REPLACE FUNCTION embrec.ratings_fingerprint(user_index integer)
RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT bit_xor(
        (((r.movie_index::bigint * 2654435761) & 2147483647) + 1)
        * (('x' || encode(float4send(r.rating), 'hex'))::bit(32)::bigint * 1640531527 % 2147483629 + 1)
    )
    FROM embrec.ratings AS r
    WHERE r.user_index = ratings_fingerprint.user_index;
END;
