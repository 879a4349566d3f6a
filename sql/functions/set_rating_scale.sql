-- Put a scale of ratings on record, or change the one that is. A scale that leaves stored ratings out is refused. The first
-- may be set by a loader, another by the owner.
CREATE OR REPLACE FUNCTION embrec.set_rating_scale(lowest double precision, highest double precision)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    low real := embrec.as_rating(set_rating_scale.lowest, -1e9, 1e9);
    high real := embrec.as_rating(set_rating_scale.highest, -1e9, 1e9);
    outside bigint;
    first record;
BEGIN
    IF low IS NULL OR high IS NULL OR low > high THEN
        RAISE EXCEPTION 'a scale cannot be from % to %; give the lowest rating, then the highest, both within a billion of 0',
            coalesce(set_rating_scale.lowest::text, 'NULL'), coalesce(set_rating_scale.highest::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    LOCK TABLE embrec.ratings IN SHARE ROW EXCLUSIVE MODE; -- add_rating reads the scale once it has its own lock
    SELECT count(*) INTO outside FROM embrec.ratings AS r WHERE r.rating NOT BETWEEN low AND high;
    IF outside > 0 THEN
        SELECT b.* INTO first FROM embrec.ratings_beyond(low, high) AS b LIMIT 1;
        RAISE EXCEPTION '% of the stored ratings % outside the scale from % to %, first user % rates movie % with %; remove them by remove_rating, or give a wider scale',
            outside, CASE outside WHEN 1 THEN 'is' ELSE 'are' END, low, high, quote_literal(first.user_id), quote_literal(first.movie_id), first.rating
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM embrec.rating_scale) THEN
        UPDATE embrec.rating_scale AS s SET lowest = low, highest = high, given = true
        WHERE (s.lowest, s.highest, s.given) IS DISTINCT FROM (low, high, true);
    ELSE
        INSERT INTO embrec.rating_scale (lowest, highest, given) VALUES (low, high, true); -- all that a loader may do
    END IF;
END;
$$;
