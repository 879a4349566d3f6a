-- Keep embrec.ratings in step with a table of the same database from now on. It makes three triggers on the table, in
-- place of earlier ones, as a role that may make triggers there. The columns are those of the user, the movie, the
-- rating and, if there is one, the time; the table has one row per user and movie.
CREATE OR REPLACE FUNCTION embrec.follow_table(
    source regclass, user_column text, movie_column text, rating_column text, time_column text DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns text[] := array_remove(
        ARRAY[follow_table.user_column, follow_table.movie_column, follow_table.rating_column, follow_table.time_column], NULL
    );
    arguments text := (SELECT string_agg(quote_literal(name), ', ' ORDER BY place) FROM unnest(columns) WITH ORDINALITY AS c (name, place));
    event text;
    referencing text;
BEGIN
    IF num_nulls(follow_table.source, follow_table.user_column, follow_table.movie_column, follow_table.rating_column) > 0 THEN
        RAISE EXCEPTION 'follow_table needs a table and the names of its columns of the user, the movie and the rating'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM embrec.ratings_of_table(follow_table.source, columns, 'after_rows'); -- what is wrong with a column is said now
    FOREACH event IN ARRAY ARRAY['insert', 'update', 'delete'] LOOP
        referencing := concat_ws(
            ' ',
            CASE WHEN event <> 'insert' THEN 'OLD TABLE AS before_rows' END,
            CASE WHEN event <> 'delete' THEN 'NEW TABLE AS after_rows' END
        );
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER embrec_%s AFTER %1$s ON %s REFERENCING %s FOR EACH STATEMENT EXECUTE FUNCTION embrec.follow_ratings(%s)',
            event, follow_table.source, referencing, arguments
        );
    END LOOP;
END;
$$;
