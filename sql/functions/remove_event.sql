-- Delete a user's events of a movie, of one type or of all; or the event with an external id. Returns the number deleted.
-- The next answer does without them. An unknown type is an error.
CREATE OR REPLACE FUNCTION embrec.remove_event(user_id text, movie_id text, event_type text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    kind smallint := CASE WHEN remove_event.event_type IS NOT NULL THEN embrec.event_type_of(remove_event.event_type) END;
    removed bigint;
BEGIN
    DELETE FROM embrec.events AS e
    USING embrec.users AS u, embrec.movies AS m
    WHERE u.user_id = remove_event.user_id AND m.movie_id = remove_event.movie_id
        AND e.user_index = u.user_index AND e.movie_index = m.movie_index
        AND (kind IS NULL OR e.event_type = kind);
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.remove_event(external_id text)
RETURNS bigint
LANGUAGE sql
BEGIN ATOMIC
    WITH removed AS (
        DELETE FROM embrec.events AS e
        WHERE e.external_id = remove_event.external_id
        RETURNING 1
    )
    SELECT count(*) FROM removed;
END;

CREATE OR REPLACE FUNCTION embrec.remove_event(user_id text, movie_id anynonarray, event_type text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql
AS $$
    SELECT embrec.remove_event(remove_event.user_id, embrec.id_text(remove_event.movie_id), remove_event.event_type);
$$;

CREATE OR REPLACE FUNCTION embrec.remove_event(user_id anynonarray, movie_id text, event_type text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql
AS $$
    SELECT embrec.remove_event(embrec.id_text(remove_event.user_id), remove_event.movie_id, remove_event.event_type);
$$;

CREATE OR REPLACE FUNCTION embrec.remove_event(user_id anynonarray, movie_id anycompatiblenonarray, event_type text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql
AS $$
    SELECT embrec.remove_event(embrec.id_text(remove_event.user_id), embrec.id_text(remove_event.movie_id), remove_event.event_type);
$$;
