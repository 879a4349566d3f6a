-- Return the SELECT of what an UPDATE changes, of the SELECTs of the rows before and after it by rows_of_table(). What is
-- no more has neither a rating nor a type. Ratings are known by their user and movie, events by their external id.
CREATE OR REPLACE FUNCTION embrec.changed_rows(columns text[], before_rows text, after_rows text)
RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT format(
        'SELECT coalesce(n.user_id, b.user_id) AS user_id, coalesce(n.movie_id, b.movie_id) AS movie_id,'
        ' n.rating, n.moment, n.event_type, n.value, coalesce(n.external_id, b.external_id) AS external_id'
        ' FROM (%s) AS b FULL JOIN (%s) AS n ON %s'
        ' WHERE (b.user_id, b.movie_id, b.rating, b.moment, b.event_type, b.value)'
        ' IS DISTINCT FROM (n.user_id, n.movie_id, n.rating, n.moment, n.event_type, n.value)',
        changed_rows.before_rows,
        changed_rows.after_rows,
        CASE
            WHEN cardinality(changed_rows.columns) = 8 THEN 'b.external_id = n.external_id'
            ELSE 'b.user_id = n.user_id AND b.movie_id = n.movie_id'
        END
    );
END;
