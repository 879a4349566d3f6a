-- Put the scale of the stored ratings on record (judged_scale), unless one is. Fewer than a hundred ratings settle none,
-- because some of the scale may not have been given yet, and nor do ratings of which one is far from all others. Loads call
-- it, and trainings. With the owner's rights, because a trainer may not write to the table.
CREATE OR REPLACE FUNCTION embrec.settle_scale()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
BEGIN
    IF EXISTS (SELECT FROM embrec.rating_scale)
        OR (SELECT count(*) FROM (SELECT FROM embrec.ratings LIMIT 100) AS first) < 100
    THEN
        RETURN;
    END IF;
    SELECT s.lowest, s.highest INTO found FROM embrec.judged_scale() AS s;
    IF found.lowest IS NOT NULL AND NOT EXISTS (SELECT FROM embrec.ratings_beyond(found.lowest, found.highest)) THEN
        INSERT INTO embrec.rating_scale (lowest, highest) VALUES (found.lowest, found.highest) ON CONFLICT DO NOTHING;
    END IF;
END;
$$;
