-- Return the INSERT that writes changes down for followed_at_commit(), in blocks of 10,000. The changes are a SELECT of
-- user_id, movie_id, rating and rated_at; the rating is NULL if it is gone.
CREATE OR REPLACE FUNCTION embrec.recording_of(changes text)
RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT format(
        'INSERT INTO embrec.followed_changes (user_ids, movie_ids, ratings, times)'
        ' SELECT array_agg(user_id), array_agg(movie_id), array_agg(rating), array_agg(rated_at)'
        ' FROM (SELECT *, (row_number() OVER () - 1) / 10000 AS block FROM (%s) AS c) AS numbered GROUP BY block',
        changes
    );
END;
