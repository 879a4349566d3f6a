-- What a rating weighs in its user's vector of the preference part: (0.2 + 0.8 s) to the run's rating_power, where s is
-- its place on the run's scale.
CREATE FUNCTION embrec.rating_weight(run embrec.model_runs, rating real)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (0.2 + 0.8 * CASE
        WHEN (rating_weight.run).highest_rating > (rating_weight.run).lowest_rating
        THEN (
            greatest(least(rating_weight.rating, (rating_weight.run).highest_rating), (rating_weight.run).lowest_rating)::double precision
            - (rating_weight.run).lowest_rating
        ) / ((rating_weight.run).highest_rating::double precision - (rating_weight.run).lowest_rating)
        ELSE 1
    END) ^ (rating_weight.run).rating_power;
END;
