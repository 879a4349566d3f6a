-- Return the type of a column of a host table that is to be read in a role: a user, a movie, a rating, a time, a type, a
-- value or a key. A column that does not exist, or has an unsuitable type, is an error. A domain counts as the type that
-- it is over, and an enumeration as 'enum'.
--
-- Reading must run no code of the table's owner, for follow_ratings reads with the rights of embrec's owner. So every
-- column is of PostgreSQL's own types, of domains over them, of an enumeration, or of citext, whose casts only a superuser
-- can define.
CREATE OR REPLACE FUNCTION embrec.column_kind(source regclass, name text, role text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ids text := 'text,character varying,character,name,citext,uuid,smallint,integer,bigint';
    numbers text := 'smallint,integer,bigint,numeric,real,double precision';
    times text := 'timestamp with time zone,timestamp without time zone,date';
    type record;
    suitable record;
BEGIN
    SELECT s.kinds, s.words
    INTO suitable
    FROM (VALUES
        ('a user', ids, 'text or a whole number'),
        ('a movie', ids, 'text or a whole number'),
        ('a rating', numbers, 'a number'),
        ('a value', numbers, 'a number'),
        ('a time', times || ',' || numbers, 'a timestamp, a date, or seconds since 1970'),
        ('a type', ids || ',enum', 'text or an enumeration'),
        ('a key', ids || ',numeric,' || times || ',enum', 'text, a whole number or a time')
    ) AS s (role, kinds, words)
    WHERE s.role = column_kind.role;
    WITH RECURSIVE types AS (
        SELECT t.oid, t.typname, t.typnamespace, t.typtype, t.typbasetype, a.attgenerated
        FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = source AND a.attname = column_kind.name AND a.attnum > 0 AND NOT a.attisdropped
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
            WHEN t.typtype = 'e' AND 'enum' = ANY (string_to_array(suitable.kinds, ',')) THEN 'enum'
            ELSE format('%I.%I', t.typnamespace::regnamespace, t.typname)
        END AS kind
    INTO type
    FROM types AS t
    WHERE t.typtype <> 'd';
    IF NOT FOUND THEN
        RAISE EXCEPTION '% has no column %', source, column_kind.name USING ERRCODE = 'undefined_column';
    END IF;
    IF type.kind <> ALL (string_to_array(suitable.kinds, ',')) THEN
        RAISE EXCEPTION 'column % of % is of type %, and % is %', column_kind.name, source, type.kind, role, suitable.words
            USING ERRCODE = 'datatype_mismatch';
    END IF;
    IF type.computed_when_read THEN
        RAISE EXCEPTION 'column % of % is a virtual generated column, which a trigger cannot read; make it STORED, or load the table on a schedule',
            column_kind.name, source USING ERRCODE = 'feature_not_supported';
    END IF;
    RETURN type.kind;
END;
$$;
