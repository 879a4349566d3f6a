-- Put the scale of the stored ratings on record (judged_scale, common_scale), unless one is. Fewer than a hundred ratings
-- settle none, because some of the scale may not have been given yet, and nor do ratings of which one is far from all
-- others. A scale that was found goes with the last rating. Loads call it, and trainings. With the owner's rights, because a trainer may not write to the table.
CREATE OR REPLACE FUNCTION embrec.settle_scale()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
BEGIN
    DELETE FROM embrec.rating_scale AS s WHERE NOT s.given AND NOT EXISTS (SELECT FROM embrec.ratings);
    IF EXISTS (SELECT FROM embrec.rating_scale)
        OR (SELECT count(*) FROM (SELECT FROM embrec.ratings LIMIT 100) AS first) < 100
    THEN
        RETURN;
    END IF;
    SELECT s.lowest, s.highest INTO found FROM embrec.judged_scale() AS s;
    IF found.lowest IS NOT NULL AND NOT EXISTS (SELECT FROM embrec.ratings_beyond(found.lowest, found.highest)) THEN
        INSERT INTO embrec.rating_scale (lowest, highest)
        SELECT c.lowest, c.highest FROM embrec.common_scale(found.lowest, found.highest) AS c
        ON CONFLICT DO NOTHING;
    END IF;
END;
$$;
