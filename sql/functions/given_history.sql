-- Return a visitor's history, a JSON array, as recommend_next_for reads it: the newest steps, newest first, all movies in it, and
-- the disliked ones. Elements are movie ids, newest last, or objects with a movie_id, and a type and a time (at) if they are
-- known. Those with a time come after those without, in its order. Unknown movies are left out. NULL, which jsonb_agg makes of
-- no rows, is empty. Otherwise as user_steps.
CREATE OR REPLACE FUNCTION embrec.given_history(
    history jsonb,
    length integer,
    OUT steps integer[],
    OUT seen integer[],
    OUT disliked integer[]
)
LANGUAGE plpgsql STABLE -- not parallel: its handler of errors is a subtransaction
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' -- that of times without a zone
SET datestyle = 'ISO, YMD'
AS $$
#variable_conflict use_column
DECLARE
    faulty jsonb;
    unknown text;
BEGIN
    IF jsonb_typeof(given_history.history) <> 'array' THEN
        RAISE EXCEPTION 'the history is %; give an array of movie ids, newest last, such as ["50", "172"]',
            left(given_history.history::text, 40)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT j.value INTO faulty
    FROM jsonb_array_elements(given_history.history) AS j (value)
    WHERE coalesce(jsonb_typeof(CASE jsonb_typeof(j.value) WHEN 'object' THEN j.value -> 'movie_id' ELSE j.value END), 'null')
            NOT IN ('string', 'number')
        OR jsonb_typeof(j.value -> 'type') NOT IN ('string', 'null')
        OR jsonb_typeof(j.value -> 'at') NOT IN ('string', 'null')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the history has %; give a movie id, or {"movie_id": "50", "type": "play", "at": "2026-11-30T20:15Z"}',
            left(faulty::text, 80)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT j.value ->> 'type' INTO unknown
    FROM jsonb_array_elements(given_history.history) AS j (value)
    WHERE j.value ->> 'type' NOT IN (SELECT t.name FROM embrec.event_types AS t)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the history has an event of type %, which there is not; give one of %', quote_literal(left(unknown, 100)),
            (SELECT string_agg(t.name, ', ' ORDER BY t.event_type) FROM embrec.event_types AS t)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    WITH own AS MATERIALIZED (
        SELECT
            m.movie_index,
            coalesce(t.event_type, 1) AS event_type,
            t.kind IS NOT DISTINCT FROM 'dislike' AS disliked,
            (j.value ->> 'at')::timestamptz AS occurred_at,
            j.position
        FROM jsonb_array_elements(given_history.history) WITH ORDINALITY AS j (value, position)
        JOIN embrec.movies AS m
            ON m.movie_id = CASE jsonb_typeof(j.value) WHEN 'object' THEN j.value ->> 'movie_id' ELSE j.value #>> '{}' END
        LEFT JOIN embrec.event_types AS t ON t.name = j.value ->> 'type'
    )
    SELECT
        ARRAY(
            SELECT s.movie_index
            FROM (
                SELECT
                    o.movie_index,
                    o.event_type,
                    row_number() OVER newest AS place,
                    lag(o.movie_index) OVER newest AS newer_movie,
                    lag(o.event_type) OVER newest AS newer_type
                FROM own AS o
                WHERE NOT o.disliked
                WINDOW newest AS (ORDER BY o.occurred_at DESC NULLS LAST, o.position DESC)
            ) AS s
            WHERE s.newer_movie IS DISTINCT FROM s.movie_index OR s.newer_type = s.event_type
            ORDER BY s.place
            LIMIT given_history.length
        ),
        ARRAY(SELECT o.movie_index FROM own AS o),
        ARRAY(SELECT o.movie_index FROM own AS o WHERE o.disliked)
    INTO steps, seen, disliked;
EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow THEN
    RAISE EXCEPTION 'a time in the history is none: %; give one such as 2026-11-30T20:15Z, or leave it out', SQLERRM
        USING ERRCODE = 'invalid_parameter_value';
END;
$$;
