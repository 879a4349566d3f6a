-- Record a user's rating of a movie, in place of an earlier one; unknown ids are added. The next answer uses it.
CREATE OR REPLACE FUNCTION embrec.add_rating(user_id text, movie_id text, rating real, rated_at timestamptz DEFAULT now())
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF num_nulls(add_rating.user_id, add_rating.movie_id, add_rating.rating) > 0 OR '' IN (add_rating.user_id, add_rating.movie_id) THEN
        RAISE EXCEPTION 'add_rating needs a user_id, a movie_id and a rating' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF add_rating.rating IN ('NaN', 'Infinity', '-Infinity') THEN
        RAISE EXCEPTION 'rating is %; give a finite number', add_rating.rating USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO embrec.ratings AS r (user_index, movie_index, rating, rated_at)
    VALUES (
        embrec.user_index_of(add_rating.user_id), embrec.movie_index_of(add_rating.movie_id), add_rating.rating, add_rating.rated_at
    )
    ON CONFLICT ON CONSTRAINT ratings_pkey DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.add_rating(user_id bigint, movie_id bigint, rating real, rated_at timestamptz DEFAULT now())
RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    SELECT embrec.add_rating(add_rating.user_id::text, add_rating.movie_id::text, add_rating.rating, add_rating.rated_at);
END;
