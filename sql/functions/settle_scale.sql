-- Put the scale of the stored ratings on record (judged_scale), unless one is or a rating is far from all others. A first
-- load calls it, and a training. With the owner's rights, because a trainer may not write to the table.
CREATE OR REPLACE FUNCTION embrec.settle_scale()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
BEGIN
    IF EXISTS (SELECT FROM embrec.rating_scale) THEN
        RETURN;
    END IF;
    SELECT s.lowest, s.highest INTO found FROM embrec.judged_scale() AS s;
    IF found.lowest IS NOT NULL AND NOT EXISTS (SELECT FROM embrec.ratings_beyond(found.lowest, found.highest)) THEN
        INSERT INTO embrec.rating_scale (lowest, highest) VALUES (found.lowest, found.highest) ON CONFLICT DO NOTHING;
    END IF;
END;
$$;
