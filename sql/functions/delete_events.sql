-- Delete the events that are older than an age; returns their number. Events without a time stay, unless undated is true.
-- One call is one transaction. To hold no lock for long, embrec gc calls it for one range of event_id after the other. Only
-- the schema's owner may.
CREATE OR REPLACE FUNCTION embrec.delete_events(
    older_than interval,
    undated boolean DEFAULT false,
    first_event bigint DEFAULT '-9223372036854775808',
    last_event bigint DEFAULT 9223372036854775807
)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    deleted bigint;
BEGIN
    IF older_than IS NULL OR older_than <= interval '0' THEN
        RAISE EXCEPTION 'older_than is %; give an age, such as ''90 days''', coalesce(older_than::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    DELETE FROM embrec.events AS e
    WHERE e.event_id BETWEEN first_event AND last_event
        AND (e.occurred_at < now() - older_than OR undated AND e.occurred_at IS NULL);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END;
$$;
