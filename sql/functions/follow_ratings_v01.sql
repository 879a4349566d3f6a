-- A row trigger that keeps embrec.ratings in step with a table of the same database:
--     CREATE TRIGGER embrec AFTER INSERT OR UPDATE OR DELETE ON shop.stars
--     FOR EACH ROW EXECUTE FUNCTION embrec.follow_ratings('customer', 'film', 'stars', 'rated_on');
-- The arguments are the table's columns for the user, the movie, the rating and, where there is one, the time. A row that
-- is no rating (nothing in it, no finite number) is one without a rating: the application's own statement never fails
-- for it. Who writes to the table needs no right on embrec.
CREATE FUNCTION embrec.follow_ratings()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before jsonb;
    now_is jsonb;
BEGIN
    IF TG_NARGS NOT IN (3, 4) OR TG_LEVEL <> 'ROW' THEN
        RAISE EXCEPTION 'embrec.follow_ratings is for each row, with the names of the columns of the user, the movie, the rating and the time'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF TG_OP <> 'INSERT' THEN
        before := embrec.rating_in(to_jsonb(OLD), TG_ARGV);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        now_is := embrec.rating_in(to_jsonb(NEW), TG_ARGV);
    END IF;
    IF before IS NOT DISTINCT FROM now_is THEN
        RETURN NULL;
    END IF;
    IF before IS NOT NULL AND (now_is IS NULL OR before - 'rating' - 'rated_at' <> now_is - 'rating' - 'rated_at') THEN
        PERFORM embrec.remove_rating(before ->> 'user_id', before ->> 'movie_id');
    END IF;
    IF now_is IS NOT NULL THEN
        PERFORM embrec.add_rating(
            now_is ->> 'user_id', now_is ->> 'movie_id', (now_is ->> 'rating')::real,
            coalesce((now_is ->> 'rated_at')::timestamptz, now())
        );
    END IF;
    RETURN NULL;
END;
$$;
