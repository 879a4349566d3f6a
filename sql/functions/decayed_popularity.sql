-- Return the popularity of movies by their likes and events with a time, each counting half as much for every half-life
-- since it. Ages are counted from the newest of them, and the sum is then brought to now: so the order of movies is right
-- in old data too. Beyond 400 half-lives all are equally old, or the arithmetic would underflow. The scale of likes is
-- that of the last count.
CREATE OR REPLACE FUNCTION embrec.decayed_popularity(half_life interval)
RETURNS TABLE (movie_index integer, popularity double precision)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    seconds double precision := extract(epoch FROM half_life);
    newest timestamptz := least(
        greatest((SELECT max(r.rated_at) FROM embrec.ratings AS r), (SELECT max(e.occurred_at) FROM embrec.events AS e)), now()
    );
    since_newest double precision;
    liked double precision;
BEGIN
    IF seconds <= 0 OR NOT isfinite(half_life) THEN
        RAISE EXCEPTION 'half_life is %; give a time after which a like or an event counts half, such as ''7 days''', half_life
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    since_newest := 0.5 ^ least(extract(epoch FROM now() - newest)::double precision / seconds, 400);
    SELECT embrec.liked_from(min(c.lowest), max(c.highest)) INTO liked FROM embrec.movie_counts AS c;
    RETURN QUERY
    SELECT
        t.movie_index,
        since_newest * sum(
            t.weight * 0.5 ^ least(greatest(extract(epoch FROM newest - t.occurred_at)::double precision, 0) / seconds, 400)
        )
    FROM (
        SELECT r.movie_index, 1::double precision AS weight, r.rated_at AS occurred_at
        FROM embrec.ratings AS r
        WHERE r.rating >= liked AND r.rated_at IS NOT NULL
        UNION ALL
        SELECT e.movie_index, k.weight::numeric::double precision, e.occurred_at
        FROM embrec.events AS e
        JOIN embrec.event_types AS k ON k.event_type = e.event_type
        WHERE k.kind <> 'dislike' AND e.occurred_at IS NOT NULL
    ) AS t
    GROUP BY t.movie_index;
END;
$$;
