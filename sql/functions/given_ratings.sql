-- Return a visitor's ratings, a JSON object of movie ids, as indexes and numbers: recommend_for and explain_for read them
-- by it. Unknown movies are left out. What is no finite number is refused, or null would count as the best rating.
CREATE OR REPLACE FUNCTION embrec.given_ratings(ratings jsonb, OUT movies integer[], OUT given real[])
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    faulty record;
BEGIN
    IF jsonb_typeof(given_ratings.ratings) <> 'object' THEN
        RAISE EXCEPTION 'the ratings are %; give an object of movie ids, such as {"50": 5}', left(given_ratings.ratings::text, 40)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT j.key AS movie_id, j.value AS rating INTO faulty
    FROM jsonb_each(given_ratings.ratings) AS j (key, value)
    WHERE CASE jsonb_typeof(j.value) WHEN 'number' THEN abs(j.value::numeric) > 1e9 ELSE true END
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the rating of movie % is %; give a number, at most a billion, or leave the movie out',
            quote_literal(faulty.movie_id), left(faulty.rating::text, 40)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT array_agg(m.movie_index), array_agg(embrec.as_rating(j.value::double precision, -1e9, 1e9)) INTO movies, given
    FROM jsonb_each(given_ratings.ratings) AS j (key, value)
    JOIN embrec.movies AS m ON m.movie_id = j.key;
END;
$$;
