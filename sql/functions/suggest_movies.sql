-- Suggest movies whose title is spelt much like a mistyped query, ignoring case, accents, the year and an article. Only
-- titles with a word that begins or ends like one of the query's, of ten at most, are compared. Similarity is the share of pairs of
-- neighbouring letters (bigrams) that the two have in common.
-- Titles with two such words are compared first, and unless one of them has a similarity of 0.6, those with one. A
-- similarity of 0.3 bounds the title's length, which the keys have, and the number of common pairs, which pair_bits bounds.
CREATE OR REPLACE FUNCTION embrec.suggest_movies(query text, n integer DEFAULT 3)
RETURNS SETOF embrec.found_movie
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET standard_conforming_strings = on -- a session may have backslashes mean something else
AS $$
DECLARE
    wanted text := embrec.named_text(left(trim(query), 200));
    pairs text[] := ARRAY(SELECT DISTINCT substr(' ' || wanted || ' ', i, 2) FROM generate_series(1, length(wanted) + 1) AS i);
    bits bit(128) := embrec.pair_bits(pairs);
    pattern text;
    by_word text[]; -- the keys of each word, as a part of a tsquery in which "%" is the bucket
    one_word text;
    two_words text;
    searched text;
    found integer[];
    best double precision;
BEGIN
    SELECT
        string_agg(format('\m%s|%s\M', w.beginning, w.ending), '|'),
        array_agg(format(
            '(''%%<%s''%s|''%%>%s''%s)',
            w.beginning, CASE WHEN w.letters < 3 THEN ':*' END, reverse(w.ending), CASE WHEN w.letters < 3 THEN ':*' END
        ))
    INTO pattern, by_word
    FROM (
        SELECT left(o.word, o.letters) AS beginning, right(o.word, o.letters) AS ending, o.*
        FROM (
            -- The ten longest words: pairs of all words would be too many keys.
            SELECT DISTINCT word, least(length(word) / 2, 3) AS letters, length(word), max(length(word)) OVER () AS longest
            FROM regexp_split_to_table(wanted, '[^[:alnum:]\u0080-\U0010ffff]+') AS word
            ORDER BY length(word) DESC, word
            LIMIT 10
        ) AS o
    ) AS w
    WHERE w.letters > 0 AND (length(w.word) > 3 OR w.longest <= 3);
    IF pattern IS NULL THEN
        RETURN;
    END IF;
    one_word := array_to_string(by_word, '|');
    two_words := (
        SELECT string_agg(a.keys || '&' || b.keys, '|')
        FROM unnest(by_word) WITH ORDINALITY AS a (keys, place)
        JOIN unnest(by_word) WITH ORDINALITY AS b (keys, place) ON a.place < b.place
    );
    FOREACH searched IN ARRAY ARRAY[two_words, one_word] LOOP
        CONTINUE WHEN searched IS NULL;
        SELECT coalesce(array_agg(b.movie_index ORDER BY b.place), '{}'), max(b.likeness)
        INTO found, best
        FROM (
            SELECT
                c.movie_index,
                c.likeness,
                row_number() OVER (ORDER BY c.likeness DESC, l.popularity_rank, m.movie_id COLLATE "C") AS place
            FROM (
                SELECT
                    t.movie_index,
                    shared.number::double precision / (cardinality(pairs) + length(t.named) + 1 - shared.number) AS likeness
                FROM embrec.movie_titles AS t
                CROSS JOIN LATERAL (
                    SELECT count(*) AS number FROM unnest(pairs) AS pair WHERE strpos(' ' || t.named || ' ', pair) > 0
                ) AS shared
                WHERE t.keys @@ embrec.in_buckets(searched, cardinality(pairs) * 3 / 10 - 1, cardinality(pairs) * 10 / 3)
                    AND (bit_count(t.pair_bits & bits) + cardinality(pairs) - bit_count(bits)) * 13
                    >= (cardinality(pairs) + length(t.named)) * 3
                    AND ' ' || t.named || ' ' ~ pattern
            ) AS c
            JOIN embrec.movies AS m ON m.movie_index = c.movie_index
            LEFT JOIN embrec.movie_likes AS l ON l.movie_index = c.movie_index
            WHERE c.likeness >= 0.3
            ORDER BY place
            LIMIT n
        ) AS b;
        EXIT WHEN best >= 0.6;
    END LOOP;
    RETURN QUERY
    SELECT f.place::integer, m.movie_id, m.title, m.genres, m.release_year
    FROM unnest(found) WITH ORDINALITY AS f (movie_index, place)
    JOIN embrec.movies AS m ON m.movie_index = f.movie_index
    ORDER BY f.place;
END;
$$;
