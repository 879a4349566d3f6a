-- Drop the functions and views of install.sql, the last first; other objects in the schema stay. A trigger function goes
-- with the triggers on the host's tables. {files} has their names, as resources.uninstall() fills it in.
DO $$
DECLARE
    folder text;
    made text;
    overloads text;
    is_trigger boolean;
BEGIN
    FOR folder, made IN
        SELECT split_part(f.file, '/', 1), split_part(f.file, '/', 2)
        FROM unnest('{files}'::text[]) WITH ORDINALITY AS f (file, position)
        ORDER BY f.position DESC
    LOOP
        IF folder = 'views' THEN
            -- An older revision may have another kind of relation under this name.
            IF EXISTS (
                SELECT FROM pg_class AS c WHERE c.relnamespace = 'embrec'::regnamespace AND c.relname = made AND c.relkind = 'v'
            ) THEN
                EXECUTE format('DROP VIEW embrec.%I', made);
            END IF;
        ELSE
            SELECT string_agg(p.oid::regprocedure::text, ', '), bool_or(p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype))
            INTO overloads, is_trigger
            FROM pg_proc AS p
            WHERE p.pronamespace = 'embrec'::regnamespace AND p.proname = made;
            IF overloads IS NOT NULL THEN
                EXECUTE format('DROP FUNCTION %s %s', overloads, CASE WHEN is_trigger THEN 'CASCADE' END);
            END IF;
        END IF;
    END LOOP;
END
$$;
