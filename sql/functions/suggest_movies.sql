-- Suggest movies whose title is spelt much like a mistyped query, ignoring case, accents, the year and an article. Only
-- titles with a word that begins or ends like one of the query's are compared. Similarity is the share of pairs of
-- neighbouring letters (bigrams) that the two have in common.
CREATE OR REPLACE FUNCTION embrec.suggest_movies(query text, n integer DEFAULT 3)
RETURNS SETOF embrec.found_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH wanted AS (
        SELECT regexp_replace(
            lower(normalize(left(trim(suggest_movies.query), 200), NFKD)),
            '[\u0300-\u036f]|^(the|an?) |(, (the|an?))?( *\(\d{4}\))?$', '', 'g'
        ) AS query
    ),
    words AS (
        SELECT word, least(length(word) / 2, 3) AS letters, max(length(word)) OVER () AS longest
        FROM wanted AS w
        CROSS JOIN regexp_split_to_table(w.query, '[^[:alnum:]\u0080-\U0010ffff]+') AS word
    ),
    parts AS (
        SELECT
            (
                SELECT string_agg(format('\m%s|%s\M', left(o.word, o.letters), right(o.word, o.letters)), '|')
                FROM words AS o
                WHERE o.letters > 0 AND (length(o.word) > 3 OR o.longest <= 3)
            ) AS pattern,
            array_agg(DISTINCT substr(' ' || w.query || ' ', i, 2)) AS pairs
        FROM wanted AS w
        CROSS JOIN generate_series(1, length(w.query) + 1) AS i
    ),
    titles AS (
        SELECT
            m.*,
            ' ' || regexp_replace(
                lower(normalize(m.title, NFKD)), '[\u0300-\u036f]|^(the|an?) |(, (the|an?))?( *\(\d{4}\))?$', '', 'g'
            ) || ' ' AS folded_title
        FROM embrec.movies AS m
    ),
    compared AS (
        SELECT
            t.*,
            shared.pairs::double precision / (cardinality(p.pairs) + length(t.folded_title) - 1 - shared.pairs) AS likeness
        FROM parts AS p
        JOIN titles AS t ON t.folded_title ~ p.pattern
        CROSS JOIN LATERAL (
            SELECT count(*) AS pairs FROM unnest(p.pairs) AS pair WHERE strpos(t.folded_title, pair) > 0
        ) AS shared
    )
    SELECT
        (row_number() OVER (ORDER BY c.likeness DESC, l.popularity_rank, c.movie_id COLLATE "C"))::integer AS rank,
        c.movie_id,
        c.title,
        c.genres,
        c.release_year
    FROM compared AS c
    LEFT JOIN embrec.movie_likes AS l ON l.movie_index = c.movie_index
    WHERE c.likeness >= 0.3
    ORDER BY rank
    LIMIT suggest_movies.n;
END;
