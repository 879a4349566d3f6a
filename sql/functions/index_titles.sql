-- Write the search keys of movies' titles to movie_titles. For find_movies they are all runs of three letters (trigrams) of
-- the title's words with a blank between two, and "^" with the title's beginning; each after the letter of length_bucket,
-- so that short titles can be searched first. A title of more than a thousand letters has the one key "~", which find_movies
-- always looks at. For suggest_movies pair_bits are written, and the length of the title as named_text returns it.
-- The index is built after the first titles, if they are many: a fourth of the time of adding them one by one.
CREATE OR REPLACE FUNCTION embrec.index_titles(movie_indexes integer[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on -- a session may have backslashes mean something else
AS $$
DECLARE
    definition text;
BEGIN
    IF cardinality(movie_indexes) >= 10000 AND NOT EXISTS (SELECT FROM embrec.movie_titles) THEN
        definition := pg_get_indexdef('embrec.movie_titles_keys_idx'::regclass);
        DROP INDEX embrec.movie_titles_keys_idx;
    END IF;
    INSERT INTO embrec.movie_titles AS t (movie_index, length, folded, named, named_length, pair_bits, keys)
    SELECT
        f.movie_index,
        f.length,
        f.folded,
        f.named,
        length(f.named),
        embrec.pair_bits(
            ARRAY(SELECT substr(' ' || f.named || ' ', i, 2) FROM generate_series(1, length(f.named) + 1) AS i)
        ),
        CASE WHEN length(f.folded) > 1000 THEN array_to_tsvector('{~}') ELSE array_to_tsvector(
            ARRAY(SELECT f.bucket || substr(f.spaced, i, 3) FROM generate_series(1, length(f.spaced) - 1) AS i)
            || (f.bucket || '^' || left(f.folded, 4))
        ) END
    FROM (
        SELECT
            l.*,
            ' ' || regexp_replace(l.folded, '[^[:alnum:]\u0080-\U0010ffff]+', ' ', 'g') || ' ' AS spaced
        FROM (
            SELECT
                m.movie_index,
                length(m.title) AS length,
                embrec.folded_text(m.title) AS folded,
                embrec.named_text(m.title) AS named,
                embrec.length_bucket(length(m.title)) AS bucket
            FROM unnest(movie_indexes) AS asked (movie_index)
            JOIN embrec.movies AS m ON m.movie_index = asked.movie_index
            WHERE m.title IS NOT NULL
            OFFSET 0 -- or each use of a column would compute it anew
        ) AS l
        OFFSET 0
    ) AS f
    ON CONFLICT (movie_index) DO UPDATE
    SET length = excluded.length, folded = excluded.folded, named = excluded.named, named_length = excluded.named_length,
        pair_bits = excluded.pair_bits, keys = excluded.keys;
    IF definition IS NOT NULL THEN
        EXECUTE definition;
    END IF;
END;
$$;
