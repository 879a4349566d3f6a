-- Write the search keys of movies' titles to movie_titles. For find_movies they are all runs of three letters (trigrams) of
-- the title's words with a blank between two, and "^" with the title's beginning; each after the letter of length_bucket,
-- so that short titles can be searched first. For suggest_movies they are each word's beginning after "<", and its end,
-- turned around, after ">". A title of more than a thousand letters has the one key "~", which is always looked at.
CREATE OR REPLACE FUNCTION embrec.index_titles(movie_indexes integer[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO embrec.movie_titles AS t (movie_index, length, folded, named, keys)
    SELECT
        f.movie_index,
        f.length,
        f.folded,
        f.named,
        CASE WHEN length(f.folded) > 1000 THEN array_to_tsvector('{~}') ELSE array_to_tsvector(
            ARRAY(SELECT f.bucket || substr(f.spaced, i, 3) FROM generate_series(1, length(f.spaced) - 1) AS i)
            || ARRAY(
                SELECT part
                FROM regexp_split_to_table(f.named, '[^[:alnum:]_]+') AS word
                CROSS JOIN LATERAL (VALUES ('<' || left(word, 3)), ('>' || reverse(right(word, 3)))) AS parts (part)
            )
            || (f.bucket || '^' || left(f.folded, 4))
        ) END
    FROM (
        SELECT l.*, ' ' || regexp_replace(l.folded, '[^[:alnum:]\u0080-\U0010ffff]+', ' ', 'g') || ' ' AS spaced
        FROM (
            SELECT
                m.movie_index,
                length(m.title) AS length,
                embrec.folded_text(m.title) AS folded,
                embrec.named_text(m.title) AS named,
                embrec.length_bucket(length(m.title)) AS bucket
            FROM unnest(index_titles.movie_indexes) AS asked (movie_index)
            JOIN embrec.movies AS m ON m.movie_index = asked.movie_index
            WHERE m.title IS NOT NULL
            OFFSET 0 -- or each use of a column would compute it anew
        ) AS l
        OFFSET 0
    ) AS f
    ON CONFLICT (movie_index) DO UPDATE
    SET length = excluded.length, folded = excluded.folded, named = excluded.named, keys = excluded.keys;
END;
