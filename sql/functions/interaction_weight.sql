-- Return the weight of a movie that a user rated or watched in the user's ranking vector: rating_weight of a rating; without
-- one the interest of event_pairs, of which a dislike counts as the lowest rating does. As in embrec.models.interactions.
-- It is one expression, which the planner puts in place of a call.
CREATE OR REPLACE FUNCTION embrec.interaction_weight(
    rating real, interest real, lowest_rating real, highest_rating real, rating_power real, dislike_weight real
)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN interaction_weight.rating IS NOT NULL THEN embrec.rating_weight(
            interaction_weight.rating, interaction_weight.lowest_rating, interaction_weight.highest_rating,
            interaction_weight.rating_power, interaction_weight.dislike_weight
        )
        WHEN interaction_weight.interest < 0
        THEN interaction_weight.interest::double precision * coalesce(interaction_weight.dislike_weight, 0)
        ELSE interaction_weight.interest
    END;
END;
