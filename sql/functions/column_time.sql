-- Return the SQL of a column of times of a host table, called s: its value as timestamptz, and a condition that it is
-- unknown or in the years 1900 to 2099. A time without a zone is UTC. Without a column the time is NULL.
CREATE OR REPLACE FUNCTION embrec.column_time(source regclass, name text, OUT value text, OUT in_time text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind text := CASE WHEN name IS NOT NULL THEN embrec.column_kind(source, name, 'a time') END;
    -- Every value is cast first, or a function of the owner's for a domain of the owner's would be the better match.
    moment text := CASE WHEN kind IS NOT NULL THEN format('s.%I::%s', name, kind) END;
BEGIN
    IF kind IS NULL THEN
        value := 'NULL::timestamptz';
        in_time := 'true';
    ELSIF kind IN ('timestamp with time zone', 'timestamp without time zone', 'date') THEN
        value := CASE WHEN kind = 'timestamp with time zone' THEN moment ELSE format('(%s)::timestamp AT TIME ZONE ''UTC''', moment) END;
        in_time := format('(%s IS NULL OR %2$s >= ''1900-01-01 00:00+00'' AND %2$s < ''2100-01-01 00:00+00'')', moment, value);
    ELSE
        value := format('to_timestamp(%s)', moment);
        in_time := format('(%1$s IS NULL OR %1$s >= -2208988800 AND %1$s < 4102444800)', moment);
    END IF;
END;
$$;
