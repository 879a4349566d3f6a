-- Return the number of an event type by its name; an error names the known types and says how to add one.
CREATE OR REPLACE FUNCTION embrec.event_type_of(event_type text)
RETURNS smallint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    found smallint := (SELECT t.event_type FROM embrec.event_types AS t WHERE t.name = event_type_of.event_type);
BEGIN
    IF found > 0 THEN
        RETURN found;
    ELSIF found = 0 THEN
        RAISE EXCEPTION 'event_type is %, and ratings are no events; record one by embrec.add_rating', quote_literal(event_type_of.event_type)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RAISE EXCEPTION 'event_type is %, and the known types are %; give one of these, or let the owner add it: INSERT INTO embrec.event_types (event_type, name) VALUES (%, %)',
        quote_nullable(event_type_of.event_type),
        (SELECT string_agg(t.name, ', ' ORDER BY t.event_type) FROM embrec.event_types AS t WHERE t.event_type > 0),
        (SELECT f.event_type FROM embrec.free_event_types() AS f WHERE f.place = 1),
        coalesce(quote_literal(event_type_of.event_type), '''name''')
        USING ERRCODE = 'invalid_parameter_value';
END;
$$;
