-- Return the INSERT that writes changes down for followed_at_commit(), in blocks of 10,000. The changes are a SELECT of
-- user_id, movie_id, rating and rated_at, such as ratings_of_table() returns; if they are gone, of ratings that were.
CREATE OR REPLACE FUNCTION embrec.recording_of(changes text, gone boolean DEFAULT false)
RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT format(
        'INSERT INTO embrec.followed_changes (user_ids, movie_ids, ratings, times)'
        ' SELECT array_agg(user_id), array_agg(movie_id), array_agg(%s), array_agg(%s)'
        ' FROM (SELECT *, (row_number() OVER () - 1) / 10000 AS block FROM (%s) AS c) AS numbered GROUP BY block',
        CASE WHEN gone THEN 'NULL::real' ELSE 'rating' END,
        CASE WHEN gone THEN 'NULL::timestamptz' ELSE 'rated_at' END,
        changes
    );
END;
