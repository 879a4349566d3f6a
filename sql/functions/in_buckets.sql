-- Return the search for keys of titles of these lengths, at least and at most: "%" in it is each length_bucket in turn.
CREATE OR REPLACE FUNCTION embrec.in_buckets(searched text, shortest integer, longest integer)
RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT string_agg(replace(in_buckets.searched, '%', chr(bucket)), '|')::tsquery
    FROM generate_series(
        ascii(embrec.length_bucket(in_buckets.shortest)), ascii(embrec.length_bucket(in_buckets.longest))
    ) AS bucket
);
