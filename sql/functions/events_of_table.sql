-- Return the SELECT of the events in rows of a host table: external_id, user_id, movie_id, event_type, value, occurred_at,
-- in the order of the rows. The columns are those of the user, the movie, none of a rating, the time; then the type of all
-- events, the columns of the type and the value, and the origin; '' stands for none. The external id is the origin, the
-- table's name, and the row's primary key, as loads have it; without an origin it is NULL. Invalid rows are left out:
-- those that loads reject.
CREATE OR REPLACE FUNCTION embrec.events_of_table(source regclass, columns text[], rows_of text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment record;
    event_type text := quote_literal(columns[5]);
    value text := 'NULL::real';
    valid text := 'true';
    key text := CASE WHEN columns[8] <> '' THEN embrec.key_of_table(source) END;
    external_id text := 'NULL::text';
BEGIN
    PERFORM embrec.column_kind(source, columns[1], 'a user'), embrec.column_kind(source, columns[2], 'a movie');
    SELECT t.value, t.in_time INTO moment FROM embrec.column_time(source, nullif(columns[4], '')) AS t;
    IF columns[6] <> '' THEN
        event_type := CASE embrec.column_kind(source, columns[6], 'a type')
            WHEN 'enum' THEN format('pg_catalog.format(''%%s'', s.%I)', columns[6])
            ELSE format('embrec.trimmed(s.%I::text)', columns[6])
        END;
        valid := format('octet_length(%1$s) BETWEEN 1 AND 100 AND %1$s <> ''rating''', event_type);
    END IF;
    IF columns[7] <> '' THEN
        value := format('s.%I::%s', columns[7], embrec.column_kind(source, columns[7], 'a value'));
        valid := format('%s AND (%s IS NULL OR %2$s BETWEEN 0 AND 1e9)', valid, value);
        value := format('embrec.as_value(CASE WHEN %1$s BETWEEN 0 AND 1e9 THEN %1$s END::double precision)', value);
    END IF;
    IF columns[8] <> '' THEN
        IF key IS NULL THEN
            RAISE EXCEPTION '% has no primary key any more; call follow_table again', source USING ERRCODE = 'undefined_object';
        END IF;
        external_id := format('%L::text || %s', columns[8] || ' ', key);
        valid := format('%s AND octet_length(%s) <= 500', valid, external_id);
    END IF;
    RETURN format(
        'SELECT %1$s AS external_id, embrec.trimmed(s.%2$I::text) AS user_id, embrec.trimmed(s.%3$I::text) AS movie_id,'
        ' %4$s AS event_type, %5$s AS value, %6$s AS occurred_at FROM %7$s AS s'
        ' WHERE octet_length(embrec.trimmed(s.%2$I::text)) BETWEEN 1 AND 500'
        ' AND octet_length(embrec.trimmed(s.%3$I::text)) BETWEEN 1 AND 500'
        ' AND %8$s AND (%6$s > now() + interval ''1 day'') IS NOT TRUE AND %9$s',
        external_id, columns[1], columns[2], event_type, value, moment.value, rows_of, moment.in_time, valid
    );
END;
$$;
