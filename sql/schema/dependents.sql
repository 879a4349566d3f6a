-- The host's objects that need objects of embrec's which a downgrade removes, directly or through others of the host's,
-- each with the statement that drops it, in the order to drop them. Parameters: tables and files, embrec's own tables and
-- the files of install.sql; everything, true if tables and types go too, not functions and views alone. Triggers and the
-- event trigger are left out: they go with their functions, of which follow_table() made them.
WITH RECURSIVE named AS (
    SELECT split_part(f.file, '/', 1) AS folder, split_part(f.file, '/', 2) AS name FROM unnest(CAST(:files AS text[])) AS f (file)
),
own_tables AS (
    SELECT c.oid
    FROM pg_class AS c
    WHERE c.relnamespace = to_regnamespace('embrec')
        AND (
            c.relkind IN ('r', 'p', 'm') AND c.relname = ANY (CAST(:tables AS text[]))
            -- Vectors of a run, attached to those tables or not.
            OR c.relkind IN ('r', 'p') AND c.relname ~ '^(user|movie)_embeddings_run_'
        )
),
own_views AS (
    SELECT c.oid
    FROM pg_class AS c
    JOIN named ON named.folder = 'views' AND named.name = c.relname
    WHERE c.relnamespace = to_regnamespace('embrec') AND c.relkind = 'v'
),
own_functions AS (
    SELECT p.oid
    FROM pg_proc AS p
    JOIN named ON named.folder = 'functions' AND named.name = p.proname
    WHERE p.pronamespace = to_regnamespace('embrec')
),
-- A composite type is a relation too.
own_relations AS (
    SELECT oid FROM own_tables
    UNION ALL
    SELECT oid FROM own_views
    UNION ALL
    SELECT c.oid FROM pg_class AS c WHERE c.relnamespace = to_regnamespace('embrec') AND c.relkind = 'c'
),
-- A view's query is its rule, and an object of a type that a relation has for its rows needs the relation.
edges AS (
    SELECT
        d.refclassid,
        d.refobjid,
        CASE WHEN r.rulename = '_RETURN' THEN 'pg_class'::regclass ELSE d.classid END AS classid,
        CASE WHEN r.rulename = '_RETURN' THEN r.ev_class ELSE d.objid END AS objid,
        d.objsubid,
        coalesce(r.ev_class, k.conrelid, a.adrelid, p.polrelid, i.indrelid, d.objid) AS owner
    FROM pg_depend AS d
    LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
    LEFT JOIN pg_attrdef AS a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
    LEFT JOIN pg_policy AS p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    LEFT JOIN pg_index AS i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
    WHERE d.deptype = 'n' AND d.classid NOT IN ('pg_trigger'::regclass, 'pg_event_trigger'::regclass)
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, 'pg_type'::regclass, c.reltype, 0, c.oid FROM pg_class AS c WHERE c.reltype <> 0
),
going AS (
    SELECT 'pg_proc'::regclass AS classid, oid FROM own_functions
    UNION ALL
    SELECT 'pg_class'::regclass, oid FROM own_views
    UNION ALL
    SELECT 'pg_class'::regclass, oid FROM own_relations WHERE :everything
    UNION ALL
    SELECT 'pg_type'::regclass, oid FROM pg_type WHERE :everything AND typnamespace = to_regnamespace('embrec')
),
reached (classid, objid, objsubid, owner, depth) AS (
    SELECT CAST(classid AS oid), oid, 0, oid, 0 FROM going
    UNION
    SELECT e.classid, e.objid, e.objsubid, e.owner, reached.depth + 1
    FROM reached
    JOIN edges AS e ON e.refclassid = reached.classid AND e.refobjid = reached.objid
    WHERE reached.depth < 20 AND (e.classid, e.objid) <> (reached.classid, reached.objid)
),
found AS (
    SELECT r.classid, r.objid, CASE WHEN c.relkind = 'r' THEN r.objsubid ELSE 0 END AS objsubid, max(r.depth) AS depth
    FROM reached AS r
    LEFT JOIN pg_class AS c ON r.classid = 'pg_class'::regclass AND c.oid = r.objid
    WHERE r.owner NOT IN (SELECT oid FROM own_relations UNION ALL SELECT oid FROM own_functions)
        AND r.objid NOT IN (
            SELECT t.oid FROM pg_type AS t WHERE t.typnamespace = to_regnamespace('embrec') OR t.typrelid <> 0
        )
    GROUP BY 1, 2, 3
)
SELECT
    pg_describe_object(f.classid, f.objid, f.objsubid) AS what,
    CASE
        WHEN k.oid IS NOT NULL AND k.conrelid <> 0
            THEN format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname)
        WHEN a.oid IS NOT NULL
            THEN format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', a.adrelid::regclass, (
                SELECT attname FROM pg_attribute WHERE attrelid = a.adrelid AND attnum = a.adnum
            ))
        WHEN p.oid IS NOT NULL THEN format('DROP POLICY %I ON %s', p.polname, p.polrelid::regclass)
        WHEN w.oid IS NOT NULL THEN format('DROP RULE %I ON %s', w.rulename, w.ev_class::regclass)
        WHEN c.relkind = 'r' AND f.objsubid > 0
            THEN format('ALTER TABLE %s DROP COLUMN %I', c.oid::regclass, (
                SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = f.objsubid
            ))
        ELSE format('DROP %s %s', CASE
            WHEN c.relkind = 'c' THEN 'TYPE'
            WHEN c.relkind = 'p' THEN 'TABLE'
            ELSE upper(identified.type)
        END, CASE WHEN c.oid IS NOT NULL THEN c.oid::regclass::text ELSE identified.identity END)
    END AS statement
FROM found AS f
CROSS JOIN LATERAL pg_identify_object(f.classid, f.objid, 0) AS identified
LEFT JOIN pg_constraint AS k ON f.classid = 'pg_constraint'::regclass AND k.oid = f.objid
LEFT JOIN pg_attrdef AS a ON f.classid = 'pg_attrdef'::regclass AND a.oid = f.objid
LEFT JOIN pg_policy AS p ON f.classid = 'pg_policy'::regclass AND p.oid = f.objid
LEFT JOIN pg_rewrite AS w ON f.classid = 'pg_rewrite'::regclass AND w.oid = f.objid
LEFT JOIN pg_class AS c ON f.classid = 'pg_class'::regclass AND c.oid = f.objid
ORDER BY f.depth DESC, what
