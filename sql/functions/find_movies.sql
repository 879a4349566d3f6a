-- Find movies whose title has every word of the query, in any order, ignoring accents and case: "the matrix" finds
-- "Matrix, The (1999)". Every letter beyond ASCII counts as a letter of a word, also if the database's locale is C. A
-- whole title comes first, then titles that begin with the query, then the shortest, then the most popular.
-- Only the first 200 letters of a query count, as in suggest_movies: each word is looked for in every title.
CREATE OR REPLACE FUNCTION embrec.find_movies(query text, n integer DEFAULT 10)
RETURNS SETOF embrec.found_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH wanted AS (
        SELECT
            folded.query,
            ARRAY(
                SELECT DISTINCT word
                FROM regexp_split_to_table(folded.query, '[^[:alnum:]\u0080-\U0010ffff]+') AS word
                WHERE word <> ''
            ) AS words
        FROM (
            SELECT regexp_replace(lower(normalize(left(trim(find_movies.query), 200), NFKD)), '[\u0300-\u036f]', '', 'g') AS query
        ) AS folded
    ),
    candidates AS (
        SELECT
            m.*,
            regexp_replace(lower(normalize(coalesce(m.title, ''), NFKD)), '[\u0300-\u036f]', '', 'g') AS folded_title
        FROM embrec.movies AS m
    )
    SELECT
        (row_number() OVER (
            ORDER BY
                c.folded_title = w.query DESC,
                starts_with(c.folded_title, w.query) DESC,
                length(c.title),
                l.popularity_rank,
                c.movie_id COLLATE "C"
        ))::integer AS rank,
        c.movie_id,
        c.title,
        c.genres,
        c.release_year
    FROM candidates AS c
    CROSS JOIN wanted AS w
    LEFT JOIN embrec.movie_likes AS l ON l.movie_index = c.movie_index
    WHERE cardinality(w.words) > 0
        AND NOT EXISTS (SELECT FROM unnest(w.words) AS word WHERE strpos(c.folded_title, word) = 0)
    ORDER BY rank
    LIMIT find_movies.n;
END;
