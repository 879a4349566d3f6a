-- Return what a visitor gives, as user_interactions returns a user's: recommend_for and explain_for read it by this. It
-- is a JSON object of ratings by movie id, or an array of the ids of movies watched, each occurrence an event. Unknown
-- movies are left out. A rating that is no finite number is refused, or null would count as the best rating.
CREATE OR REPLACE FUNCTION embrec.given_ratings(
    ratings jsonb, OUT movies integer[], OUT given real[], OUT interests real[]
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    faulty record;
BEGIN
    IF jsonb_typeof(given_ratings.ratings) = 'array' THEN
        IF jsonb_path_exists(given_ratings.ratings, 'strict $[*] ? (@.type() != "string" && @.type() != "number")') THEN
            RAISE EXCEPTION 'the movies watched are %; give an array of movie ids, such as ["50", "172"], or ratings as an object, such as {"50": 5}',
                left(given_ratings.ratings::text, 40)
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        -- As event_pairs has it of events of weight 1.
        SELECT array_agg(w.movie_index), array_agg(NULL::real), array_agg((w.interest / w.root)::real)
        INTO movies, given, interests
        FROM (
            SELECT c.movie_index, c.interest, sqrt(avg(c.interest ^ 2) OVER ()) AS root
            FROM (
                SELECT m.movie_index, ln(1 + count(*)::double precision) AS interest
                FROM jsonb_array_elements_text(given_ratings.ratings) AS j (movie_id)
                JOIN embrec.movies AS m ON m.movie_id = j.movie_id
                GROUP BY m.movie_index
            ) AS c
        ) AS w;
        RETURN;
    END IF;
    IF jsonb_typeof(given_ratings.ratings) <> 'object' THEN
        RAISE EXCEPTION 'the ratings are %; give an object of ratings by movie id, such as {"50": 5}, or an array of ids',
            left(given_ratings.ratings::text, 40)
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
