-- Let this transaction alone give out indexes of users and movies until it ends. It locks both tables, always in this
-- order, or two transactions with new users and new movies could wait for each other; readers are not held up. Another
-- transaction that has given some out is waited for, but not for ever: after some seconds the error names its process. To
-- a load, which is at work and ends, a minute is given. A shorter lock_timeout of the session's own holds.
CREATE OR REPLACE FUNCTION embrec.lock_indexes(seconds integer DEFAULT 3)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own text := current_setting('lock_timeout');
    own_ms integer := (SELECT s.setting FROM pg_settings AS s WHERE s.name = 'lock_timeout');
    deadline timestamptz := clock_timestamp() + make_interval(secs => 60);
    holders text;
BEGIN
    LOOP
        BEGIN
            IF own_ms = 0 OR own_ms > seconds * 1000 THEN
                PERFORM set_config('lock_timeout', seconds || 's', true);
            END IF;
            LOCK TABLE embrec.users, embrec.movies IN SHARE ROW EXCLUSIVE MODE;
            PERFORM set_config('lock_timeout', own, true);
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            holders := embrec.writers_of('^(users|movies)$');
        END;
        -- A load holds this lock too (embrec.data.merge).
        IF clock_timestamp() > deadline OR own_ms BETWEEN 1 AND seconds * 1000 OR NOT EXISTS (
            SELECT
            FROM pg_locks AS l
            WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted
                AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
                AND (l.classid::bigint, l.objid) = (hashtext('embrec.load')::bigint & 4294967295, 0)
        ) THEN
            RAISE EXCEPTION 'users and movies are locked by a transaction that has added some and stays open (%). Nothing of it is stored; run again once it has ended%',
                coalesce(holders, 'it has ended by now'),
                CASE WHEN own_ms BETWEEN 1 AND seconds * 1000
                    THEN ', where need be with a higher lock_timeout, as by: ALTER ROLE ... SET lock_timeout = 0'
                    ELSE ''
                END
                USING ERRCODE = 'lock_not_available';
        END IF;
    END LOOP;
END;
$$;
