-- The trigger that keeps type 0 of events, as which ratings count: without it histories would lose their ratings.
CREATE OR REPLACE FUNCTION embrec.keep_rating_type()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF OLD.event_type = 0 AND (TG_OP = 'DELETE' OR (NEW.event_type, NEW.name, NEW.kind) IS DISTINCT FROM (OLD.event_type, OLD.name, OLD.kind)) THEN
        RAISE EXCEPTION 'type 0 of events stands for ratings, and keeps its number, name and kind; leave it out: WHERE event_type > 0'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END;
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = 'embrec.event_types'::regclass AND t.tgname = 'keep_rating_type') THEN
        CREATE TRIGGER keep_rating_type BEFORE UPDATE OR DELETE ON embrec.event_types
            FOR EACH ROW EXECUTE FUNCTION embrec.keep_rating_type();
    END IF;
END
$$;
