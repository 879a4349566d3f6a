-- Return the weight of a rating in its user's ranking vector: (0.2 + 0.8 s) to the run's rating_power, with s its place
-- on the run's scale. It takes no row of model_runs as argument, or before PostgreSQL 18 that table could get no more
-- columns.
CREATE OR REPLACE FUNCTION embrec.rating_weight(rating real, lowest_rating real, highest_rating real, rating_power real)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (0.2 + 0.8 * CASE
        WHEN rating_weight.highest_rating > rating_weight.lowest_rating
        THEN (
            greatest(least(rating_weight.rating, rating_weight.highest_rating), rating_weight.lowest_rating)::double precision
            - rating_weight.lowest_rating
        ) / (rating_weight.highest_rating::double precision - rating_weight.lowest_rating)
        ELSE 1
    END) ^ rating_weight.rating_power;
END;
