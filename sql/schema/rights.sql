-- The grants on all objects, given after the revisions. Running it again changes nothing.
--
-- Six roles without login, to grant to the roles that log in. They belong to the whole server; if this role may not
-- create them, the notice has the statements. Functions run with their owner's rights if a caller may have none on the
-- tables: those that answer, those that take a user's rating or outcome in, and those that a trainer or publisher
-- needs. All pin their search_path with the temporary schema last.
DO $$
DECLARE
    roles text[] := '{embrec_owner,embrec_loader,embrec_trainer,embrec_publisher,embrec_reader,embrec_api}';
    -- Functions that answer, and functions that record ratings and outcomes; embrec_api may call only these.
    asking text[] := '{similar_movies,similar_users,find_movies,recommend_movies,recommend_for,explain_recommendation,'
        'predict_rating,predict_ratings,rating_uncertainty,popular_movies,best_rated_movies,trending_movies,assign_variant,known_id,'
        'movie_named,explain_for,movie_details,user_ratings,user_history,trained_runs,map_movies,known_genres,suggest_movies,'
        'recommend_next,recommend_next_for,next_after,also_watched,continue_watching,explain_next}';
    telling text[] := '{add_rating,remove_rating,add_event,remove_event,record_exposure,record_outcome}';
    loading text[] := '{count_changes,refresh_statistics,forget_user,follow_ratings,apply_followed,settle_scale}';
    -- These run with the caller's rights: they make triggers on the caller's own table, or lock tables for a load.
    following text[] := '{follow_table,followed_columns,follow_truncate,watch_partitions,follow_partitions,recording_of,'
        'changed_rows,rows_of_table,ratings_of_table,events_of_table,key_of_table,column_kind,column_time,refuse_to_follow,lock_indexes,writers_of}';
    -- And these, which know what a rating and an event are; set_rating_scale replaces a scale only for the owner of the table.
    scaling text[] := '{rating_bounds,as_rating,as_value,free_event_types,event_type_of,trimmed,judged_scale,common_scale,ratings_beyond,set_rating_scale}';
    -- Triggers of embrec's own tables, which nobody else may put on a table with columns of other types; a part of the
    -- functions that count and of those that put movies in order; and the deletion of many users' events.
    internal text[] := '{followed_at_commit,note_changes,note_events,keep_rating_type,rank_movies,count_events,recount_events,delete_events,add_ids,apply_ratings,'
        'apply_events,order_movies,'
        'order_trained_run,order_changed_vectors,copy_movie_filters,index_titles,titles_changed}';
    training text[] := '{open_run,close_run,index_run,run_digest,refresh_statistics,apply_followed,settle_scale}';
    publishing text[] := '{refresh,run_digest,refresh_statistics,apply_followed}';
    extension_schema name := (
        SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'vector'
    );
    am record;
    role text;
    missing text[] := '{}';
    ours record;
BEGIN
    SELECT r.rolsuper, r.rolsuper OR r.rolcreaterole AS creates INTO am FROM pg_roles AS r WHERE r.rolname = current_user;
    FOREACH role IN ARRAY roles LOOP
        CONTINUE WHEN to_regrole(role) IS NOT NULL;
        IF NOT am.creates THEN
            missing := missing || role;
            CONTINUE;
        END IF;
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            EXECUTE format('COMMENT ON ROLE %I IS %L', role, 'a group of rights on the schema embrec (created by embrec)');
            IF role = 'embrec_owner' AND NOT am.rolsuper THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', role);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- another database's upgrade was quicker
        END;
    END LOOP;
    IF missing <> '{}' THEN
        RAISE NOTICE 'This role may not create roles, so only the schema''s owner may use it. To have least privilege, a role with CREATEROLE runs: %; then: embrec db upgrade',
            (SELECT string_agg(format('CREATE ROLE %I NOLOGIN', name), '; ') FROM unnest(missing) AS name);
    END IF;

    -- Functions with the caller's rights need it of the readers, those with the owner's of the owner. It is granted by
    -- name, so that no answer fails once somebody takes it from PUBLIC.
    FOREACH role IN ARRAY '{embrec_owner,embrec_reader,embrec_trainer}'::text[] LOOP
        IF to_regrole(role) IS NOT NULL AND has_schema_privilege(extension_schema, 'USAGE WITH GRANT OPTION') AND NOT EXISTS (
            SELECT
            FROM pg_namespace AS n
            CROSS JOIN aclexplode(n.nspacl) AS a
            WHERE n.nspname = extension_schema AND a.grantee = to_regrole(role) AND a.privilege_type = 'USAGE'
        ) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', extension_schema, role);
        END IF;
    END LOOP;

    -- Everything belongs to embrec_owner, if this role can give it away.
    IF to_regrole('embrec_owner') IS NOT NULL AND pg_has_role('embrec_owner', 'USAGE')
        AND has_schema_privilege('embrec_owner', extension_schema, 'USAGE')
    THEN
        IF has_database_privilege(current_database(), 'CREATE')
            AND 'embrec_owner'::regrole <> (SELECT n.nspowner FROM pg_namespace AS n WHERE n.nspname = 'embrec')
        THEN
            ALTER SCHEMA embrec OWNER TO embrec_owner;
        END IF;
        IF has_schema_privilege('embrec_owner', 'embrec', 'CREATE') THEN
            FOR ours IN
                SELECT format(
                    '%s %s',
                    CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END,
                    c.oid::regclass
                ) AS thing
                FROM pg_class AS c
                WHERE c.relnamespace = 'embrec'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'c')
                    AND c.relowner <> 'embrec_owner'::regrole
                UNION ALL
                SELECT format('TYPE %s', t.oid::regtype)
                FROM pg_type AS t
                WHERE t.typnamespace = 'embrec'::regnamespace AND t.typtype = 'e' AND t.typowner <> 'embrec_owner'::regrole
                UNION ALL
                SELECT format('FUNCTION %s', p.oid::regprocedure)
                FROM pg_proc AS p
                WHERE p.pronamespace = 'embrec'::regnamespace AND p.proowner <> 'embrec_owner'::regrole
                    -- A superuser runs it, so it stays the superuser's.
                    AND NOT EXISTS (SELECT FROM pg_event_trigger AS e WHERE e.evtfoid = p.oid)
            LOOP
                EXECUTE format('ALTER %s OWNER TO embrec_owner', ours.thing);
            END LOOP;
        END IF;
    END IF;

    FOR ours IN
        SELECT p.oid::regprocedure AS function, p.proname::text AS name, p.prosecdef,
            -- These call the function that takes a text.
            'anynonarray'::regtype::oid = ANY (p.proargtypes) AS of_any_id
        FROM pg_proc AS p
        WHERE p.pronamespace = 'embrec'::regnamespace AND pg_has_role(p.proowner, 'USAGE')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', ours.function);
        IF ours.name = ANY (asking || telling || loading || internal || training || publishing) AND NOT ours.of_any_id THEN
            EXECUTE format(
                'ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, %I, pg_temp', ours.function, extension_schema
            );
        END IF;
        FOREACH role IN ARRAY CASE
            -- A trainer compares what SQL answers with what the model does.
            WHEN ours.name IN ('predict_ratings', 'recommend_next_for') THEN '{embrec_api,embrec_reader,embrec_trainer}'
            WHEN ours.name = ANY (asking) THEN '{embrec_api,embrec_reader}'
            WHEN ours.name = ANY (telling) THEN '{embrec_api,embrec_loader}'
            WHEN ours.name = 'id_text' THEN '{embrec_api,embrec_loader,embrec_reader}' -- functions of any id call it
            WHEN ours.name = ANY (internal) OR ours.name = 'followed_partitions_changed' THEN '{}'
            WHEN ours.name = ANY (following) THEN '{embrec_loader}'
            WHEN ours.name = ANY (scaling) THEN '{embrec_loader,embrec_reader,embrec_trainer}'
            WHEN ours.name = ANY (loading || training || publishing) THEN array_remove(ARRAY[
                CASE WHEN ours.name = ANY (loading) THEN 'embrec_loader' END,
                CASE WHEN ours.name = ANY (training) THEN 'embrec_trainer' END,
                CASE WHEN ours.name = ANY (publishing) THEN 'embrec_publisher' END
            ], NULL)
            ELSE '{embrec_reader,embrec_trainer}'::text[] -- what those are made of, for whoever may read the tables
        END
        LOOP
            CONTINUE WHEN to_regrole(role) IS NULL;
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', ours.function, role);
        END LOOP;
    END LOOP;

    FOREACH role IN ARRAY roles LOOP
        CONTINUE WHEN to_regrole(role) IS NULL OR role = 'embrec_owner';
        EXECUTE format('GRANT USAGE ON SCHEMA embrec TO %I', role);
        CONTINUE WHEN role = 'embrec_api';
        EXECUTE format('GRANT SELECT ON embrec.alembic_version TO %I', role);
    END LOOP;
    IF to_regrole('embrec_reader') IS NOT NULL THEN
        GRANT SELECT ON ALL TABLES IN SCHEMA embrec TO embrec_reader;
    END IF;
    IF to_regrole('embrec_loader') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE ON embrec.users, embrec.movies TO embrec_loader;
        GRANT SELECT, INSERT, UPDATE, DELETE ON embrec.ratings TO embrec_loader;
        IF to_regclass('embrec.events') IS NOT NULL THEN
            GRANT SELECT, INSERT, DELETE ON embrec.events TO embrec_loader;
            GRANT SELECT, INSERT ON embrec.event_types TO embrec_loader;
        END IF;
        IF to_regclass('embrec.rating_scale') IS NOT NULL THEN
            GRANT SELECT, INSERT ON embrec.rating_scale TO embrec_loader;
        END IF;
        IF to_regclass('embrec.movie_content') IS NOT NULL THEN
            GRANT SELECT, INSERT, UPDATE ON embrec.movie_content TO embrec_loader;
        END IF;
        IF to_regclass('embrec.followed_partitions') IS NOT NULL THEN
            GRANT INSERT ON embrec.followed_changes TO embrec_loader;
            GRANT SELECT, INSERT, UPDATE, DELETE ON embrec.followed_partitions TO embrec_loader;
        END IF;
        IF to_regclass('embrec.load_watermarks') IS NOT NULL THEN
            GRANT SELECT, INSERT, UPDATE, DELETE ON embrec.load_watermarks TO embrec_loader;
        END IF;
    END IF;
    IF to_regrole('embrec_trainer') IS NOT NULL THEN
        GRANT SELECT ON ALL TABLES IN SCHEMA embrec TO embrec_trainer;
        GRANT INSERT, UPDATE ON embrec.model_runs TO embrec_trainer;
        GRANT INSERT ON embrec.tuning_trials TO embrec_trainer;
        IF to_regclass('embrec.run_matrices') IS NOT NULL THEN
            GRANT INSERT ON embrec.run_matrices TO embrec_trainer;
        END IF;
        IF to_regclass('embrec.movie_neighbours') IS NOT NULL THEN
            GRANT INSERT ON embrec.movie_neighbours TO embrec_trainer;
        END IF;
        IF to_regclass('embrec.next_movies') IS NOT NULL THEN
            GRANT INSERT ON embrec.next_movies, embrec.next_vectors TO embrec_trainer;
        END IF;
    END IF;
    IF to_regrole('embrec_publisher') IS NOT NULL THEN
        GRANT SELECT ON embrec.model_runs, embrec.publications TO embrec_publisher;
        GRANT INSERT ON embrec.publications TO embrec_publisher;
        IF to_regclass('embrec.experiments') IS NOT NULL THEN
            GRANT SELECT, INSERT, UPDATE ON embrec.experiments TO embrec_publisher;
            GRANT SELECT ON embrec.exposures, embrec.outcomes TO embrec_publisher;
        END IF;
        -- A downgrade leaves no views, because an upgrade installs them.
        IF to_regclass('embrec.published_run') IS NOT NULL THEN
            GRANT SELECT ON embrec.published_run, embrec.experiment_results TO embrec_publisher;
        END IF;
    END IF;
END
$$;
