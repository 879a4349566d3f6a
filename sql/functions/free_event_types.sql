-- Return the numbers that new event types may have, the lowest first: an owner may have given the largest number to a type.
CREATE OR REPLACE FUNCTION embrec.free_event_types()
RETURNS TABLE (event_type smallint, place bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT n.number::smallint, row_number() OVER (ORDER BY n.number)
    FROM generate_series(1, 32767) AS n (number)
    WHERE NOT EXISTS (SELECT FROM embrec.event_types AS t WHERE t.event_type = n.number);
END;
