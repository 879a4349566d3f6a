-- Return the lowest rating that counts as a like: three quarters up the scale, as in embrec.metrics.
CREATE OR REPLACE FUNCTION embrec.liked_from(lowest_rating double precision, highest_rating double precision)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN liked_from.lowest_rating + (0.75 - 1e-6) * (liked_from.highest_rating - liked_from.lowest_rating);
