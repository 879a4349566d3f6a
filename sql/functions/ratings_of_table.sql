-- Return the SELECT of the ratings in rows of a host table: user_id, movie_id, rating, rated_at, one row per pair, the
-- newest. The columns are the names of those four; the last may be missing. Rows without a valid rating are left out:
-- without an id, or with one of over 500 bytes, without a number on the scale, or with a time outside 1900 to 2099. A column
-- that does not exist, or has an unsuitable type, is an error.
CREATE OR REPLACE FUNCTION embrec.ratings_of_table(source regclass, columns text[], rows_of text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ids text := 'text,character varying,character,name,uuid,smallint,integer,bigint';
    numbers text := 'smallint,integer,bigint,numeric,real,double precision';
    times text := 'timestamp with time zone,timestamp without time zone,date';
    kinds text[];
    kind text;
    rated_at text := 'NULL::timestamptz';
    in_time text := 'true';
BEGIN
    IF cardinality(columns) NOT IN (3, 4) OR array_position(columns, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'give the names of the columns of the user, the movie, the rating and, where there is one, the time'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR place IN 1 .. cardinality(columns) LOOP
        kind := (
            SELECT format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL) -- with its schema, but for PostgreSQL's own
            FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
            WHERE a.attrelid = source AND a.attname = columns[place] AND a.attnum > 0 AND NOT a.attisdropped
        );
        IF kind IS NULL THEN
            RAISE EXCEPTION '% has no column %', source, columns[place] USING ERRCODE = 'undefined_column';
        END IF;
        IF kind <> ALL (string_to_array((ARRAY[ids, ids, numbers, times || ',' || numbers])[place], ',')) THEN
            RAISE EXCEPTION 'column % of % is of type %, and % is %', columns[place], source, kind,
                (ARRAY['a user', 'a movie', 'a rating', 'a time'])[place],
                (ARRAY['text or a whole number', 'text or a whole number', 'a number', 'a timestamp, a date, or seconds since 1970'])[place]
                USING ERRCODE = 'datatype_mismatch';
        END IF;
        kinds := kinds || kind;
    END LOOP;
    IF kinds[4] = 'timestamp with time zone' THEN
        rated_at := format('s.%I', columns[4]);
    ELSIF kinds[4] = ANY (string_to_array(times, ',')) THEN
        rated_at := format('s.%I::timestamp AT TIME ZONE ''UTC''', columns[4]);
    ELSIF kinds[4] IS NOT NULL THEN
        rated_at := format('to_timestamp(s.%I)', columns[4]);
        in_time := format('(s.%1$I IS NULL OR s.%1$I >= -2208988800 AND s.%1$I < 4102444800)', columns[4]);
    END IF;
    IF kinds[4] = ANY (string_to_array(times, ',')) THEN
        in_time := format(
            '(s.%I IS NULL OR %s >= ''1900-01-01 00:00+00'' AND %2$s < ''2100-01-01 00:00+00'')', columns[4], rated_at
        );
    END IF;
    RETURN format(
        'SELECT DISTINCT ON (user_id, movie_id) s.%1$I::text AS user_id, s.%2$I::text AS movie_id,'
        ' embrec.as_rating(CASE WHEN s.%3$I BETWEEN -1e9 AND 1e9 THEN s.%3$I END::double precision, b.lowest, b.highest) AS rating, %4$s AS rated_at'
        ' FROM %5$I AS s CROSS JOIN embrec.rating_bounds() AS b'
        ' WHERE s.%1$I::text <> '''' AND octet_length(s.%1$I::text) <= 500'
        ' AND s.%2$I::text <> '''' AND octet_length(s.%2$I::text) <= 500'
        ' AND embrec.as_rating(CASE WHEN s.%3$I BETWEEN -1e9 AND 1e9 THEN s.%3$I END::double precision, b.lowest, b.highest) IS NOT NULL AND %6$s'
        ' ORDER BY user_id, movie_id, rated_at DESC NULLS LAST, rating DESC',
        columns[1], columns[2], columns[3], rated_at, rows_of, in_time
    );
END;
$$;
