-- The rating in a row of somebody's table: user_id, movie_id, rating and rated_at, or NULL where the row has none that
-- embrec could take. The columns are the names of those four; the last may be missing.
CREATE FUNCTION embrec.rating_in(given jsonb, columns text[])
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' -- of times without a zone
AS $$
DECLARE
    named text;
    parts jsonb[];
    rating numeric;
    rated_at timestamptz;
BEGIN
    FOREACH named IN ARRAY columns LOOP
        IF NOT given ? named THEN
            RAISE WARNING 'embrec.follow_ratings is told of a column % that the table does not have; no rating was taken', named;
            RETURN NULL;
        END IF;
        parts := parts || (given -> named);
    END LOOP;
    IF coalesce(parts[1] #>> '{}', '') = '' OR coalesce(parts[2] #>> '{}', '') = ''
        OR greatest(octet_length(parts[1] #>> '{}'), octet_length(parts[2] #>> '{}')) > 500
        OR jsonb_typeof(parts[3]) <> 'number'
    THEN
        RETURN NULL;
    END IF;
    rating := (parts[3] #>> '{}')::numeric;
    IF parts[4] #>> '{}' IS NOT NULL THEN
        rated_at := CASE jsonb_typeof(parts[4])
            WHEN 'number' THEN to_timestamp((parts[4] #>> '{}')::double precision)
            ELSE (parts[4] #>> '{}')::timestamptz
        END;
    END IF;
    IF abs(rating) > 3.4e38 OR rated_at < '1900-01-01' OR rated_at >= '2100-01-01' THEN
        RETURN NULL;
    END IF;
    RETURN jsonb_build_object(
        'user_id', parts[1] #>> '{}', 'movie_id', parts[2] #>> '{}', 'rating', rating::real, 'rated_at', rated_at
    );
EXCEPTION WHEN data_exception THEN
    RETURN NULL; -- a text that is no time, a number too small for a real
END;
$$;
