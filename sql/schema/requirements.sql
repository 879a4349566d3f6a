-- Everything that a role needs before it can run `embrec db upgrade` in this database, without being a superuser. A
-- superuser runs it in that database by psql, once; running it again changes nothing. It makes pgvector, six groups of
-- rights, and the schema embrec, which the group embrec_owner has; the role becomes a member of that group.
DO $$
DECLARE
    deployer name := {role};
    groups text[] := '{embrec_owner,embrec_loader,embrec_trainer,embrec_publisher,embrec_reader,embrec_api}';
    grantee name;
    place name := (
        SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'vector'
    );
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'this database is encoded in %; embrec needs UTF8', current_setting('server_encoding');
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = deployer) THEN
        RAISE EXCEPTION 'there is no role %; make it first: CREATE ROLE % LOGIN', deployer, quote_ident(deployer);
    END IF;

    -- pgvector, in public, or in a schema of its own if this database has no public.
    IF place IS NULL THEN
        place := CASE WHEN to_regnamespace('public') IS NULL THEN 'extensions' ELSE 'public' END;
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', place);
        EXECUTE format('CREATE EXTENSION vector SCHEMA %I', place);
    END IF;

    -- The groups, which belong to the whole server.
    FOREACH grantee IN ARRAY groups LOOP
        IF to_regrole(grantee::text) IS NULL THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', grantee);
            EXECUTE format('COMMENT ON ROLE %I IS %L', grantee, 'a group of rights on the schema embrec (created by embrec)');
        END IF;
    END LOOP;

    -- Functions look for pgvector as these; an upgrade, as the role itself.
    FOREACH grantee IN ARRAY ARRAY['embrec_owner', 'embrec_reader', 'embrec_trainer', deployer] LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', place, grantee);
    END LOOP;
    -- A load has temporary tables, and so has the refresh of a materialized view, which its owner does.
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), deployer);
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO embrec_owner, embrec_loader', current_database());
    EXECUTE format('GRANT embrec_owner TO %I', deployer);
    CREATE SCHEMA IF NOT EXISTS embrec AUTHORIZATION embrec_owner;
END
$$;
