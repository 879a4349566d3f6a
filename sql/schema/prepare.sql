-- The schema, pgvector, and the session's settings, prepared before any revision. A DBA may run these statements first
-- (as a superuser, for the extension); then migrating needs only ownership of the schema embrec.
DO $$
DECLARE
    extension_schema name := (
        SELECT n.nspname
        FROM pg_extension AS e
        JOIN pg_namespace AS n ON n.oid = e.extnamespace
        WHERE e.extname = 'vector'
    );
    session_path text := (SELECT s.reset_val FROM pg_settings AS s WHERE s.name = 'search_path');
BEGIN
    IF extension_schema IS NULL THEN
        -- If the role is called embrec too, the first schema on its path would be our own.
        extension_schema := coalesce(
            (
                SELECT path.schema
                FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (schema, position)
                WHERE path.schema <> 'embrec'
                ORDER BY path.position
                LIMIT 1
            ),
            'public'
        );
        EXECUTE format('CREATE EXTENSION vector SCHEMA %I', extension_schema);
        -- remove.sql drops the extension only if this comment says that embrec created it.
        COMMENT ON EXTENSION vector IS 'vector data type and vector similarity search (created by embrec)';
    END IF;
    IF to_regnamespace('embrec') IS NULL THEN
        CREATE SCHEMA embrec;
    END IF;
    -- "$user" is this schema for a role called embrec: what an application makes by that role without naming a schema, its
    -- Alembic's alembic_version too, would be mixed with ours.
    IF current_user = 'embrec' AND session_path LIKE '%"$user"%' THEN
        EXECUTE format(
            'ALTER ROLE embrec IN DATABASE %I SET search_path = %s',
            current_database(),
            coalesce(nullif(regexp_replace(session_path, '"[$]user" *,? *', ''), ''), 'public')
        );
    END IF;
    -- Revisions find pgvector, wherever it lives, and none of the host's tables before ours. Functions keep this path:
    -- were the temporary schema not named last, it would be looked through first.
    PERFORM set_config('search_path', format('pg_catalog, %I, pg_temp', extension_schema), false);
    -- Others who ask for a table queue behind a waiting migration, so it waits at most 2 seconds; embrec db upgrade
    -- retries. And a statement that runs over 15 minutes is cancelled, or its locks would block readers too long.
    PERFORM set_config('lock_timeout', '2s', false), set_config('statement_timeout', '15min', false);
    -- Or a backslash in a function's strings would mean something else.
    PERFORM set_config('standard_conforming_strings', 'on', false);
END
$$;
