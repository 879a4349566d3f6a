-- Return what the triggers of follow_table() are given: the columns of the user, the movie, the rating and, if there is
-- one, the time; or of events the eight of events_of_table(). A call that makes no sense is an error.
CREATE OR REPLACE FUNCTION embrec.followed_columns(
    source regclass, user_column text, movie_column text, rating_column text, time_column text, type text, type_column text,
    value_column text
)
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    keyed boolean;
BEGIN
    IF num_nulls(source, user_column, movie_column) > 0 OR num_nonnulls(rating_column, type, type_column) = 0 THEN
        RAISE EXCEPTION 'follow_table needs a table and the names of its columns of the user, the movie and the rating; without a rating, type => ''play'' or the name of a type_column'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM embrec.refuse_to_follow(source);
    IF rating_column IS NOT NULL THEN
        IF num_nonnulls(type, type_column, value_column) > 0 THEN
            RAISE EXCEPTION 'rows with a rating are no events; give rating_column alone, or NULL and a type'
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        RETURN array_remove(ARRAY[user_column, movie_column, rating_column, time_column], NULL);
    END IF;
    IF num_nonnulls(type, type_column) > 1 THEN
        RAISE EXCEPTION 'the type of events is given twice; give type for all rows, or type_column'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF type IS NOT NULL THEN
        PERFORM embrec.event_type_of(type); -- an unknown one is said now
    END IF;
    -- Keys of a parent by inheritance do not hold across its children.
    keyed := embrec.key_of_table(source) IS NOT NULL AND NOT EXISTS (
        SELECT
        FROM pg_inherits AS i
        JOIN pg_class AS parent ON parent.oid = i.inhparent
        WHERE source IN (i.inhrelid, i.inhparent) AND parent.relkind = 'r'
    );
    IF NOT keyed THEN
        RAISE NOTICE 'rows that come to % are followed, and changed or deleted ones are not: it has no primary key that tells its events apart', source;
    END IF;
    RETURN ARRAY[
        user_column, movie_column, '', coalesce(time_column, ''), coalesce(type, ''), coalesce(type_column, ''), coalesce(value_column, ''),
        CASE WHEN keyed THEN (
            SELECT format('%I.%I', c.relnamespace::regnamespace::name, c.relname) FROM pg_class AS c WHERE c.oid = source
        ) ELSE '' END
    ];
END;
$$;
