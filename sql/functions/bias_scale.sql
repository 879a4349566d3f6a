-- Return the constants that make a movie's vector v and its bias b one vector, (v, (b - origin) / scale), so that a user's
-- vector u becomes (u, scale): their product is the score u v + b, less the constant origin. Ranking is exact with any
-- constants. With these, of the run's scale of ratings, movies of a low bias are short, so that few are looked at.
CREATE OR REPLACE FUNCTION embrec.bias_scale(model_run_id integer, OUT origin double precision, OUT scale double precision)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        coalesce(r.lowest_rating::double precision - r.mean, 0),
        coalesce(sqrt(nullif(r.highest_rating::double precision - r.lowest_rating, 0) / 2), 1)
    FROM embrec.model_runs AS r
    WHERE r.model_run_id = bias_scale.model_run_id;
END;
