-- Return the INSERT that writes changes down for followed_at_commit(), in blocks of 10,000. The changes are a SELECT such
-- as rows_of_table() returns; if they are gone, of ratings or events that were.
CREATE OR REPLACE FUNCTION embrec.recording_of(changes text, gone boolean DEFAULT false)
RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT format(
        'INSERT INTO embrec.followed_changes (user_ids, movie_ids, external_ids, ratings, times, event_types, event_values)'
        ' SELECT array_agg(user_id), array_agg(movie_id), array_agg(external_id), %s'
        ' FROM (SELECT *, (row_number() OVER () - 1) / 10000 AS block FROM (%s) AS c) AS numbered GROUP BY block',
        CASE
            WHEN gone THEN 'array_agg(NULL::real), array_agg(NULL::timestamptz), array_agg(NULL::text), array_agg(NULL::real)'
            ELSE 'array_agg(rating), array_agg(moment), array_agg(event_type), array_agg(value)'
        END,
        changes
    );
END;
