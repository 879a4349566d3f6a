-- Return the weight of a rating in its user's ranking vector: (0.2 + 0.8 s) to the run's rating_power, with s its place
-- on the run's scale. A dislike, a rating in the lowest quarter of the scale, weighs -dislike_weight * (1 - 2 s), unless
-- the run knows no dislikes (0, or NULL for an older run). It takes no row of model_runs as argument, or before
-- PostgreSQL 18 that table could get no more columns. It is one expression, so that the planner puts it into a query in
-- place of a call, which takes ten times as long.
CREATE OR REPLACE FUNCTION embrec.rating_weight(
    rating real, lowest_rating real, highest_rating real, rating_power real, dislike_weight real
)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        -- As embrec.metrics.disliked_to: single precision rounds, and on a scale of one value nothing is disliked.
        WHEN rating_weight.dislike_weight > 0
            AND embrec.rating_place(rating_weight.rating, rating_weight.lowest_rating, rating_weight.highest_rating) <= 0.25::double precision + 1e-6
        THEN -rating_weight.dislike_weight
            * (1 - 2 * embrec.rating_place(rating_weight.rating, rating_weight.lowest_rating, rating_weight.highest_rating))
        ELSE (0.2 + 0.8 * embrec.rating_place(rating_weight.rating, rating_weight.lowest_rating, rating_weight.highest_rating))
            ^ rating_weight.rating_power
    END;
END;
