-- Record an event: a user watched, played or bought a movie. Returns true; false if an event with this external id is
-- there already, which changes nothing. Unknown users and movies are added. A pair may have many events. The next answer
-- uses it. A time that is NULL is unknown, so the event is older than all with one. What loads refuse is refused here
-- too: ids as in add_rating, values outside 0 to a billion, times before 1900 or more than a day ahead of the server's
-- clock. Such an event of a wrong clock would be the newest for ever.
CREATE OR REPLACE FUNCTION embrec.add_event(
    user_id text,
    movie_id text,
    event_type text DEFAULT 'event',
    value double precision DEFAULT NULL,
    occurred_at timestamptz DEFAULT now(),
    external_id text DEFAULT NULL
)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fault text := coalesce(
        embrec.id_fault('user_id', add_event.user_id),
        embrec.id_fault('movie_id', add_event.movie_id),
        CASE WHEN add_event.external_id IS NOT NULL THEN embrec.id_fault('external_id', add_event.external_id) END,
        CASE
            WHEN add_event.value IS NOT NULL AND embrec.as_value(add_event.value) IS NULL
            THEN format('value is %s; give a number from 0 to a billion, such as a count or minutes, or none', add_event.value)
        END,
        CASE
            WHEN add_event.occurred_at < '1900-01-01 00:00+00' OR add_event.occurred_at >= '2100-01-01 00:00+00'
            THEN format('occurred_at is %s; give a time of the years 1900 to 2099', add_event.occurred_at)
            WHEN add_event.occurred_at > now() + interval '1 day'
            THEN format('occurred_at is %s, more than a day ahead of the server''s clock; give the time when it happened', add_event.occurred_at)
        END
    );
    kind smallint;
    of_user integer;
    of_movie integer;
BEGIN
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION '%', fault USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- A first load, which drops keys, is waited for, before a lock is taken that it may want.
    LOCK TABLE embrec.events IN ROW EXCLUSIVE MODE;
    kind := embrec.event_type_of(add_event.event_type);
    IF EXISTS (SELECT FROM embrec.events AS e WHERE e.external_id = add_event.external_id) THEN
        RETURN false;
    END IF;
    of_user := embrec.user_index_of(add_event.user_id);
    of_movie := embrec.movie_index_of(add_event.movie_id);
    INSERT INTO embrec.events (user_index, movie_index, event_type, value, occurred_at, external_id)
    VALUES (of_user, of_movie, kind, embrec.as_value(add_event.value), add_event.occurred_at, add_event.external_id)
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.add_event(
    user_id text,
    movie_id anynonarray,
    event_type text DEFAULT 'event',
    value double precision DEFAULT NULL,
    occurred_at timestamptz DEFAULT now(),
    external_id text DEFAULT NULL
)
RETURNS boolean
LANGUAGE sql
AS $$
    SELECT embrec.add_event(user_id, embrec.id_text(movie_id), event_type, value, occurred_at, external_id);
$$;

CREATE OR REPLACE FUNCTION embrec.add_event(
    user_id anynonarray,
    movie_id text,
    event_type text DEFAULT 'event',
    value double precision DEFAULT NULL,
    occurred_at timestamptz DEFAULT now(),
    external_id text DEFAULT NULL
)
RETURNS boolean
LANGUAGE sql
AS $$
    SELECT embrec.add_event(embrec.id_text(user_id), movie_id, event_type, value, occurred_at, external_id);
$$;

CREATE OR REPLACE FUNCTION embrec.add_event(
    user_id anynonarray,
    movie_id anycompatiblenonarray,
    event_type text DEFAULT 'event',
    value double precision DEFAULT NULL,
    occurred_at timestamptz DEFAULT now(),
    external_id text DEFAULT NULL
)
RETURNS boolean
LANGUAGE sql
AS $$
    SELECT embrec.add_event(embrec.id_text(user_id), embrec.id_text(movie_id), event_type, value, occurred_at, external_id);
$$;
