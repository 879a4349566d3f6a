-- Suggest movies whose title is spelt much like a mistyped query, ignoring case, accents, the year and an article. Only
-- titles with a word that begins or ends like one of the query's, of ten at most, are suggested. Similarity is the share of
-- pairs of neighbouring letters (bigrams) that the two have in common, and is 0.3 at least. Once a title with two such words
-- has a similarity of 0.6, those with one are left out.
-- The length and the pair_bits of each title bound its similarity. An index has both, so that all titles are looked at in
-- the same time whatever the query is. The 500 with the highest bounds are compared.
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
    number integer := cardinality(pairs);
    bits bit(128) := embrec.pair_bits(pairs);
    unseen integer := number - bit_count(bits)::integer; -- pairs that share a bit with another one
    patterns text[];
BEGIN
    SELECT array_agg(format('\m%s|%s\M', left(o.word, o.letters), right(o.word, o.letters)))
    INTO patterns
    FROM (
        SELECT DISTINCT word, least(length(word) / 2, 3) AS letters, length(word), max(length(word)) OVER () AS longest
        FROM regexp_split_to_table(wanted, '[^[:alnum:]\u0080-\U0010ffff]+') AS word
        ORDER BY length(word) DESC, word
        LIMIT 10
    ) AS o
    WHERE o.letters > 0 AND (length(o.word) > 3 OR o.longest <= 3);
    IF patterns IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH promising AS MATERIALIZED (
        SELECT b.movie_index
        FROM (
            SELECT t.movie_index, t.named_length, bit_count(t.pair_bits & bits) + unseen AS shared
            FROM embrec.movie_titles AS t
            WHERE t.named_length BETWEEN number * 3 / 10 - 1 AND number * 10 / 3
            OFFSET 0 -- or each use of a column would compute it anew
        ) AS b
        WHERE b.shared * 13 >= (number + b.named_length + 1) * 3
        ORDER BY b.shared::double precision / (number + b.named_length + 1 - b.shared) DESC, b.movie_index
        LIMIT 500
    ),
    alike AS (
        SELECT c.*, (SELECT count(*) FROM unnest(patterns) AS pattern WHERE c.spaced ~ pattern) AS words
        FROM (
            SELECT
                t.movie_index,
                t.spaced,
                shared.number::double precision / (cardinality(pairs) + t.named_length + 1 - shared.number) AS likeness
            FROM promising AS p
            CROSS JOIN LATERAL (
                SELECT s.movie_index, s.named_length, ' ' || s.named || ' ' AS spaced
                FROM embrec.movie_titles AS s
                WHERE s.movie_index = p.movie_index
                OFFSET 0
            ) AS t
            CROSS JOIN LATERAL (
                SELECT count(*) AS number FROM unnest(pairs) AS pair WHERE strpos(t.spaced, pair) > 0
            ) AS shared
            OFFSET 0
        ) AS c
        WHERE c.likeness >= 0.3
    )
    SELECT
        (row_number() OVER (ORDER BY a.likeness DESC, l.popularity_rank, m.movie_id COLLATE "C"))::integer AS rank,
        m.movie_id,
        m.title,
        m.genres,
        m.release_year
    FROM (SELECT alike.*, max(alike.likeness) FILTER (WHERE alike.words > 1) OVER () AS best FROM alike) AS a
    JOIN embrec.movies AS m ON m.movie_index = a.movie_index
    LEFT JOIN embrec.movie_likes AS l ON l.movie_index = a.movie_index
    WHERE a.words > CASE WHEN a.best >= 0.6 THEN 1 ELSE 0 END
    ORDER BY rank
    LIMIT n;
END;
$$;
