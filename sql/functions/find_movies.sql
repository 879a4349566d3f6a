-- Find movies whose title has every word of the query, in any order, ignoring accents and case: "the matrix" finds
-- "Matrix, The (1999)". Every letter beyond ASCII counts as a letter of a word, also if the database's locale is C. A
-- whole title comes first, then titles that begin with the query, then the shortest, then the most popular.
-- Only the first 200 letters of a query count. Titles are searched by their keys in movie_titles, the shortest first, so
-- that a query of one letter does not sort half of all titles.
CREATE OR REPLACE FUNCTION embrec.find_movies(query text, n integer DEFAULT 10)
RETURNS SETOF embrec.found_movie
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on -- a session may have backslashes mean something else
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    most integer := coalesce(n, 2147483647);
    wanted text := embrec.folded_text(left(trim(query), 200));
    words text[] := ARRAY(
        SELECT DISTINCT word FROM regexp_split_to_table(wanted, '[^[:alnum:]\u0080-\U0010ffff]+') AS word WHERE word <> ''
    );
    -- As a quoted word of a tsquery.
    beginning text := replace(replace(left(wanted, 4), '\', '\\'), '''', '''''');
    bucket text;
    by_beginning boolean;
    searched tsquery;
    seen integer;
    further integer;
BEGIN
    IF words = '{}' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        (row_number() OVER (ORDER BY t.length, l.popularity_rank, m.movie_id COLLATE "C"))::integer AS rank,
        m.movie_id,
        m.title,
        m.genres,
        m.release_year
    FROM embrec.movie_titles AS t
    JOIN embrec.movies AS m ON m.movie_index = t.movie_index
    LEFT JOIN embrec.movie_likes AS l ON l.movie_index = t.movie_index
    WHERE t.folded = wanted
    ORDER BY rank
    LIMIT most;
    GET DIAGNOSTICS seen = ROW_COUNT;
    FOREACH by_beginning IN ARRAY ARRAY[true, false] LOOP
        FOREACH bucket IN ARRAY string_to_array('ABCDEF', NULL) LOOP
            EXIT WHEN seen >= most;
            searched := CASE
                WHEN by_beginning THEN format('''%s^%s'':*%s', bucket, beginning, CASE WHEN bucket = 'F' THEN '|~' END)::tsquery
                ELSE embrec.title_query(bucket, words)
            END;
            RETURN QUERY
            SELECT
                seen + (row_number() OVER (ORDER BY t.length, l.popularity_rank, m.movie_id COLLATE "C"))::integer AS rank,
                m.movie_id,
                m.title,
                m.genres,
                m.release_year
            FROM (
                SELECT s.movie_index, s.length
                FROM embrec.movie_titles AS s
                WHERE s.keys @@ searched
                    AND s.folded <> wanted
                    AND starts_with(s.folded, wanted) = by_beginning
                    AND NOT EXISTS (SELECT FROM unnest(words) AS word WHERE strpos(s.folded, word) = 0)
                ORDER BY s.length
                FETCH FIRST (most - seen) ROWS WITH TIES
            ) AS t
            JOIN embrec.movies AS m ON m.movie_index = t.movie_index
            LEFT JOIN embrec.movie_likes AS l ON l.movie_index = t.movie_index
            ORDER BY rank
            LIMIT most - seen;
            GET DIAGNOSTICS further = ROW_COUNT;
            seen := seen + further;
        END LOOP;
    END LOOP;
END;
$$;
