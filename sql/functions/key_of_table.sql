-- Return the SQL of the primary key of a host table's rows, called s, as text that no setting of a session changes; of
-- several columns a JSON array. NULL if the table has no primary key.
CREATE OR REPLACE FUNCTION embrec.key_of_table(source regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE
        WHEN count(*) = 1 THEN format('embrec.trimmed(%s)', min(k.text))
        WHEN count(*) > 1 THEN format('pg_catalog.jsonb_build_array(%s)::text', string_agg(k.text, ', ' ORDER BY k.place))
    END
    FROM (
        SELECT c.place, CASE
            WHEN c.kind = 'enum' THEN format('pg_catalog.format(''%%s'', s.%I)', c.name)
            WHEN c.kind = 'timestamp with time zone' THEN format('pg_catalog.to_char(s.%I::timestamptz AT TIME ZONE ''UTC'', ''YYYY-MM-DD HH24:MI:SS.US'')', c.name)
            WHEN c.kind IN ('timestamp without time zone', 'date') THEN format('pg_catalog.to_char(s.%I::%s::timestamp, ''YYYY-MM-DD HH24:MI:SS.US'')', c.name, c.kind)
            ELSE format('s.%I::text', c.name)
        END AS text
        FROM (
            SELECT n.place, a.attname AS name, embrec.column_kind(key_of_table.source, a.attname, 'a key') AS kind
            FROM pg_index AS i
            CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS n (number, place)
            JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = n.number
            WHERE i.indrelid = key_of_table.source AND i.indisprimary AND n.place <= i.indnkeyatts
        ) AS c
    ) AS k;
END;
