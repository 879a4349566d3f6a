-- The tables that have the triggers of follow_table(), its arguments after the table, and what keeps one from being followed; NULL if nothing does. A
-- child by inheritance that came later has no trigger, and is here too.
CREATE OR REPLACE VIEW embrec.followed_tables AS
WITH RECURSIVE triggers AS (
    SELECT
        t.tgrelid AS table_oid,
        t.tgname = 'embrec_row' AS by_row,
        t.tgenabled = 'D' AS disabled,
        t.tgparentid <> 0 AS inherited,
        ARRAY(
            -- The encoding's name is of another collation.
            SELECT convert_from(decode(replace(name.bytes, ' ', ''), 'hex'), 'UTF8') COLLATE "default"
            FROM regexp_split_to_table(regexp_replace(encode(t.tgargs, 'hex'), '(..)', '\1 ', 'g'), '00 ')
                WITH ORDINALITY AS name (bytes, place)
            WHERE name.place <= t.tgnargs
            ORDER BY name.place
        ) AS column_names
    FROM pg_catalog.pg_trigger AS t
    WHERE t.tgfoid = to_regproc('embrec.follow_ratings')
),
followed AS (
    SELECT
        t.table_oid,
        min(t.column_names) AS column_names,
        bool_or(t.by_row) AS by_row,
        bool_or(t.disabled) AS disabled,
        bool_and(t.inherited) AS inherited
    FROM triggers AS t
    GROUP BY t.table_oid
),
members AS (
    SELECT f.table_oid, f.column_names
    FROM followed AS f
    UNION
    SELECT i.inhrelid, m.column_names
    FROM members AS m
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = m.table_oid
),
judged AS (
    SELECT
        c.oid::regclass::text AS table_name,
        m.column_names,
        f.inherited,
        CASE
            WHEN f.table_oid IS NULL THEN 'it has no trigger, for it became a child of a followed table later'
            WHEN f.disabled THEN 'a trigger is disabled'
            WHEN NOT f.by_row AND (c.relispartition OR c.relhassubclass OR EXISTS (
                SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid
            )) THEN 'it became a partition, a parent or a child later'
            WHEN EXISTS (
                SELECT
                FROM unnest(m.column_names) WITH ORDINALITY AS named (name, place)
                -- Two of the eight of events are no columns: the type of all, and the origin of ids.
                WHERE named.name <> '' AND (cardinality(m.column_names) < 8 OR named.place NOT IN (5, 8)) AND NOT EXISTS (
                    SELECT
                    FROM pg_catalog.pg_attribute AS a
                    WHERE a.attrelid = c.oid AND a.attname = named.name AND NOT a.attisdropped
                )
            ) THEN 'a column has another name now'
            WHEN m.column_names[8] <> '' AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary
            ) THEN 'it has no primary key any more'
        END AS fault
    FROM members AS m
    JOIN pg_catalog.pg_class AS c ON c.oid = m.table_oid AND c.relkind IN ('r', 'p')
    LEFT JOIN followed AS f ON f.table_oid = m.table_oid
)
SELECT
    j.table_name,
    ARRAY(
        SELECT nullif(c.name, '') FROM unnest(j.column_names) WITH ORDINALITY AS c (name, place) WHERE c.place < 8 ORDER BY c.place
    ) AS column_names,
    j.fault
FROM judged AS j
-- Partitions are in order with their table.
WHERE j.fault IS NOT NULL OR NOT j.inherited;
