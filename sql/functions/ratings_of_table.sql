-- Return the SELECT of the ratings in rows of a host table: user_id, movie_id, rating, rated_at, one row per pair, the
-- newest. The columns are the names of those four; the last may be missing. The rows are a FROM item. Invalid rows are
-- left out: without an id, or with one of over 500 bytes, without a finite number, or with a time outside 1900 to
-- 2099. A column that does not exist, or has an unsuitable type, is an error.
--
-- Reading must run no code of the table's owner, for follow_ratings reads with the rights of embrec's owner. So every
-- column is of PostgreSQL's own types, of domains over them, or of citext, whose casts only a superuser can define.
CREATE OR REPLACE FUNCTION embrec.ratings_of_table(source regclass, columns text[], rows_of text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ids text := 'text,character varying,character,name,citext,uuid,smallint,integer,bigint';
    numbers text := 'smallint,integer,bigint,numeric,real,double precision';
    times text := 'timestamp with time zone,timestamp without time zone,date';
    type record;
    kinds text[];
    rating text;
    moment text;
    rated_at text := 'NULL::timestamptz';
    in_time text := 'true';
BEGIN
    IF cardinality(columns) NOT IN (3, 4) OR array_position(columns, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'give the names of the columns of the user, the movie, the rating and, where there is one, the time'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR place IN 1 .. cardinality(columns) LOOP
        WITH RECURSIVE types AS (
            SELECT t.oid, t.typname, t.typnamespace, t.typtype, t.typbasetype, a.attgenerated
            FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
            WHERE a.attrelid = source AND a.attname = columns[place] AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL
            SELECT t.oid, t.typname, t.typnamespace, t.typtype, t.typbasetype, domain.attgenerated
            FROM types AS domain JOIN pg_type AS t ON t.oid = domain.typbasetype
            WHERE domain.typtype = 'd'
        )
        SELECT
            t.attgenerated = 'v' AS computed_when_read,
            CASE
                WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN format_type(t.oid, NULL)
                WHEN t.typname = 'citext' AND t.typtype = 'b' THEN 'citext' -- only a superuser makes a base type
                ELSE format('%I.%I', t.typnamespace::regnamespace, t.typname)
            END AS kind
        INTO type
        FROM types AS t
        WHERE t.typtype <> 'd';
        IF NOT FOUND THEN
            RAISE EXCEPTION '% has no column %', source, columns[place] USING ERRCODE = 'undefined_column';
        END IF;
        IF type.kind <> ALL (string_to_array((ARRAY[ids, ids, numbers, times || ',' || numbers])[place], ',')) THEN
            RAISE EXCEPTION 'column % of % is of type %, and % is %', columns[place], source, type.kind,
                (ARRAY['a user', 'a movie', 'a rating', 'a time'])[place],
                (ARRAY['text or a whole number', 'text or a whole number', 'a number', 'a timestamp, a date, or seconds since 1970'])[place]
                USING ERRCODE = 'datatype_mismatch';
        END IF;
        IF type.computed_when_read THEN
            RAISE EXCEPTION 'column % of % is a virtual generated column, which a trigger cannot read; make it STORED, or load the table on a schedule',
                columns[place], source USING ERRCODE = 'feature_not_supported';
        END IF;
        kinds := kinds || type.kind;
    END LOOP;
    -- Every value is cast first, or a function of the owner's for a domain of the owner's would be the better match.
    rating := format('s.%I::%s', columns[3], kinds[3]);
    moment := CASE WHEN kinds[4] IS NOT NULL THEN format('s.%I::%s', columns[4], kinds[4]) END;
    IF kinds[4] = ANY (string_to_array(times, ',')) THEN
        rated_at := CASE WHEN kinds[4] = 'timestamp with time zone' THEN moment ELSE format('(%s)::timestamp AT TIME ZONE ''UTC''', moment) END;
        in_time := format('(%s IS NULL OR %2$s >= ''1900-01-01 00:00+00'' AND %2$s < ''2100-01-01 00:00+00'')', moment, rated_at);
    ELSIF kinds[4] IS NOT NULL THEN
        rated_at := format('to_timestamp(%s)', moment);
        in_time := format('(%1$s IS NULL OR %1$s >= -2208988800 AND %1$s < 4102444800)', moment);
    END IF;
    -- Ids are told apart by their bytes, whatever the column's collation.
    RETURN format(
        'SELECT DISTINCT ON (user_id, movie_id) embrec.trimmed(s.%1$I::text) COLLATE "C" AS user_id,'
        ' embrec.trimmed(s.%2$I::text) COLLATE "C" AS movie_id,'
        ' (CASE WHEN abs(%3$s) < 1e-37 THEN 0 ELSE %3$s END)::real AS rating, %4$s AS rated_at'
        ' FROM %5$s AS s'
        ' WHERE octet_length(embrec.trimmed(s.%1$I::text)) BETWEEN 1 AND 500'
        ' AND octet_length(embrec.trimmed(s.%2$I::text)) BETWEEN 1 AND 500'
        ' AND %3$s BETWEEN -3.4e38 AND 3.4e38 AND %6$s'
        ' ORDER BY user_id, movie_id, rated_at DESC NULLS LAST, rating DESC',
        columns[1], columns[2], rating, rated_at, rows_of, in_time
    );
END;
$$;
