-- Record a user's rating of a movie, in place of an earlier one; unknown ids are added. The next answer uses it. What
-- loads refuse is refused here too: ids that are empty, longer than 500 bytes or between blanks, ratings beyond the scale
-- on record, and times outside the years 1900 to 2099.
CREATE OR REPLACE FUNCTION embrec.add_rating(user_id text, movie_id text, rating double precision, rated_at timestamptz DEFAULT now())
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fault text := coalesce(embrec.id_fault('user_id', add_rating.user_id), embrec.id_fault('movie_id', add_rating.movie_id));
    of_user integer;
    of_movie integer;
    bounds record;
    stored real;
BEGIN
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION '%', fault USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF add_rating.rated_at < '1900-01-01 00:00+00' OR add_rating.rated_at >= '2100-01-01 00:00+00' THEN
        RAISE EXCEPTION 'rated_at is %; give a time of the years 1900 to 2099', add_rating.rated_at
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- A first load, which sets the scale, is waited for, before a lock is taken that it may want.
    LOCK TABLE embrec.ratings IN ROW EXCLUSIVE MODE;
    of_user := embrec.user_index_of(add_rating.user_id);
    of_movie := embrec.movie_index_of(add_rating.movie_id);
    SELECT b.lowest, b.highest INTO bounds FROM embrec.rating_bounds() AS b;
    stored := embrec.as_rating(add_rating.rating, bounds.lowest, bounds.highest);
    IF stored IS NULL THEN
        RAISE EXCEPTION '%', CASE
            WHEN add_rating.rating BETWEEN -1e9 AND 1e9 THEN format(
                'rating is %s, and ratings are from %s to %s; give one of these, or let the owner widen the scale: SELECT embrec.set_rating_scale(%s, %s)',
                add_rating.rating, bounds.lowest, bounds.highest,
                least(add_rating.rating::real, bounds.lowest), greatest(add_rating.rating::real, bounds.highest)
            )
            ELSE format('rating is %s; give a finite number from %s to %s', coalesce(add_rating.rating::text, 'NULL'), bounds.lowest, bounds.highest)
        END USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO embrec.ratings AS r (user_index, movie_index, rating, rated_at)
    VALUES (of_user, of_movie, stored, add_rating.rated_at)
    ON CONFLICT ON CONSTRAINT ratings_pkey DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.add_rating(user_id text, movie_id anynonarray, rating double precision, rated_at timestamptz DEFAULT now())
RETURNS void
LANGUAGE sql
AS $$
    SELECT embrec.add_rating(user_id, embrec.id_text(movie_id), rating, rated_at);
$$;

CREATE OR REPLACE FUNCTION embrec.add_rating(user_id anynonarray, movie_id text, rating double precision, rated_at timestamptz DEFAULT now())
RETURNS void
LANGUAGE sql
AS $$
    SELECT embrec.add_rating(embrec.id_text(user_id), movie_id, rating, rated_at);
$$;

CREATE OR REPLACE FUNCTION embrec.add_rating(
    user_id anynonarray, movie_id anycompatiblenonarray, rating double precision, rated_at timestamptz DEFAULT now()
)
RETURNS void
LANGUAGE sql
AS $$
    SELECT embrec.add_rating(embrec.id_text(user_id), embrec.id_text(movie_id), rating, rated_at);
$$;
