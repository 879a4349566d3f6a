-- Return the SELECT of the ratings in rows of a host table: user_id, movie_id, rating, rated_at, one row per pair, the
-- newest. The columns are the names of those four; the last may be missing. The rows are a FROM item. Invalid rows are
-- left out: without an id, or with one of over 500 bytes, without a number on the scale, or with a time outside 1900 to
-- 2099. A column that does not exist, or has an unsuitable type, is an error (column_kind).
CREATE OR REPLACE FUNCTION embrec.ratings_of_table(source regclass, columns text[], rows_of text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rating text;
    moment record;
BEGIN
    PERFORM embrec.column_kind(source, columns[1], 'a user'), embrec.column_kind(source, columns[2], 'a movie');
    rating := format('s.%I::%s', columns[3], embrec.column_kind(source, columns[3], 'a rating'));
    SELECT t.value, t.in_time INTO moment FROM embrec.column_time(source, columns[4]) AS t;
    -- Ids are told apart by their bytes, whatever the column's collation.
    RETURN format(
        'SELECT DISTINCT ON (user_id, movie_id) embrec.trimmed(s.%1$I::text) COLLATE "C" AS user_id,'
        ' embrec.trimmed(s.%2$I::text) COLLATE "C" AS movie_id,'
        ' embrec.as_rating(CASE WHEN %3$s BETWEEN -1e9 AND 1e9 THEN %3$s END::double precision, b.lowest, b.highest) AS rating,'
        ' %4$s AS rated_at FROM %5$s AS s CROSS JOIN embrec.rating_bounds() AS b'
        ' WHERE octet_length(embrec.trimmed(s.%1$I::text)) BETWEEN 1 AND 500'
        ' AND octet_length(embrec.trimmed(s.%2$I::text)) BETWEEN 1 AND 500'
        ' AND embrec.as_rating(CASE WHEN %3$s BETWEEN -1e9 AND 1e9 THEN %3$s END::double precision, b.lowest, b.highest) IS NOT NULL'
        ' AND %6$s'
        ' ORDER BY user_id, movie_id, rated_at DESC NULLS LAST, rating DESC',
        columns[1], columns[2], rating, moment.value, rows_of, moment.in_time
    );
END;
$$;
