-- Return the SELECT of what the rows of a followed table give: user_id, movie_id, rating, moment, event_type, value and
-- external_id. Eight columns are those of events (events_of_table), others of ratings (ratings_of_table).
CREATE OR REPLACE FUNCTION embrec.rows_of_table(source regclass, columns text[], rows_of text)
RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN cardinality(rows_of_table.columns) = 8 THEN format(
            'SELECT user_id, movie_id, NULL::real AS rating, occurred_at AS moment, event_type, value, external_id FROM (%s) AS e',
            embrec.events_of_table(rows_of_table.source, rows_of_table.columns, rows_of_table.rows_of)
        )
        ELSE format(
            'SELECT user_id, movie_id, rating, rated_at AS moment, NULL::text AS event_type, NULL::real AS value,'
            ' NULL::text AS external_id FROM (%s) AS r',
            embrec.ratings_of_table(rows_of_table.source, rows_of_table.columns, rows_of_table.rows_of)
        )
    END;
END;
