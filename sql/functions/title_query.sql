-- Return the search for titles of one length_bucket with all of these words in them, among the keys of movie_titles. Words
-- have letters alone. It finds all such titles, and some without a word of four letters or more.
CREATE OR REPLACE FUNCTION embrec.title_query(bucket text, words text[])
RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT (
        string_agg(
            format('''%s%s''%s', title_query.bucket, substr(w.word, i, 3), CASE WHEN length(w.word) < 3 THEN ':*' END), ' & '
        )
        || CASE WHEN title_query.bucket = 'F' THEN ' | ~' ELSE '' END
    )::tsquery
    FROM unnest(title_query.words) AS w (word)
    CROSS JOIN generate_series(1, greatest(length(w.word) - 2, 1)) AS i
);
