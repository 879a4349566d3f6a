-- Return the place of a rating on a scale, from 0 for the lowest to 1 for the highest; 1 on a scale of one value.
CREATE OR REPLACE FUNCTION embrec.rating_place(rating real, lowest_rating real, highest_rating real)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN rating_place.highest_rating > rating_place.lowest_rating
        THEN (
            greatest(least(rating_place.rating, rating_place.highest_rating), rating_place.lowest_rating)::double precision
            - rating_place.lowest_rating
        ) / (rating_place.highest_rating::double precision - rating_place.lowest_rating)
        ELSE 1
    END;
END;
