-- Remove, after the downgrade to base, the objects that prepare.sql made, unless others use them.
DROP TABLE IF EXISTS embrec.alembic_version;

DO $$
DECLARE
    role name;
    extension_schema name := (
        SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'vector'
    );
BEGIN
    -- As rights.sql and requirements.sql granted it: a role that has a right somewhere cannot be dropped.
    IF has_database_privilege(current_database(), 'TEMPORARY WITH GRANT OPTION') THEN
        FOR role IN SELECT r.rolname FROM pg_roles AS r WHERE r.rolname IN ('embrec_owner', 'embrec_loader') LOOP
            EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM %I', current_database(), role);
        END LOOP;
    END IF;
    IF has_schema_privilege(extension_schema, 'USAGE WITH GRANT OPTION') THEN
        FOR role IN
            SELECT r.rolname FROM pg_roles AS r WHERE r.rolname IN ('embrec_owner', 'embrec_reader', 'embrec_trainer')
        LOOP
            EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM %I', extension_schema, role);
        END LOOP;
    END IF;
    IF obj_description((SELECT oid FROM pg_extension WHERE extname = 'vector'), 'pg_extension') LIKE '%(created by embrec)' THEN
        BEGIN
            DROP EXTENSION vector;
        EXCEPTION WHEN dependent_objects_still_exist THEN
            RAISE NOTICE 'pgvector is used by other tables and stays';
        END;
    END IF;
    IF pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = 'embrec'), 'USAGE') THEN
        BEGIN
            DROP SCHEMA embrec;
        EXCEPTION WHEN dependent_objects_still_exist THEN
            COMMENT ON SCHEMA embrec IS NULL;
            RAISE NOTICE 'the schema embrec holds objects that are not of embrec and stays';
        END;
    END IF;
    FOR role IN
        SELECT r.rolname FROM pg_roles AS r WHERE shobj_description(r.oid, 'pg_authid') LIKE '%schema embrec (created by embrec)'
    LOOP
        BEGIN
            EXECUTE format('DROP ROLE %I', role);
        EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
            RAISE NOTICE 'the role % is used in another database, or another role made it, and stays', role;
        END;
    END LOOP;
END
$$;
