-- Return an external id as the text that is stored, from a whole number, a uuid, or a domain over one; text is its own.
-- Functions that take ids of any type call it. A number with decimals, or a value of another type, is refused.
CREATE OR REPLACE FUNCTION embrec.id_text(id anynonarray)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind oid := pg_typeof(id);
BEGIN
    WHILE kind >= 16384 AND EXISTS (SELECT FROM pg_type AS t WHERE t.oid = kind AND t.typtype = 'd') LOOP
        kind := (SELECT t.typbasetype FROM pg_type AS t WHERE t.oid = kind); -- a domain, or one over another
    END LOOP;
    IF kind IN ('bigint'::regtype, 'integer'::regtype, 'smallint'::regtype, 'uuid'::regtype) THEN
        RETURN id::text;
    END IF;
    IF kind = 'numeric'::regtype AND scale(trim_scale(id::text::numeric)) = 0 THEN
        RETURN trim_scale(id::text::numeric)::text;
    END IF;
    RAISE EXCEPTION 'an id is % of type %; give text, a whole number or a uuid', id, pg_typeof(id)
        USING ERRCODE = 'invalid_parameter_value';
END;
$$;
