-- Return the best of the movies found so far and of a run's block of them (ranking_block), as best_movies looks at them: the
-- movies with their scores, and more than wanted if they tie with the last; the last score, from which on a movie counts, if
-- there are enough; and whether some scores are equal. The second form has the filters of movies_within. They are two,
-- because the tables of filters take longer to open than such a block to compare. A query takes each one's own in its
-- place, so they have no settings.
CREATE OR REPLACE FUNCTION embrec.next_best(
    model_run_id integer,
    next boolean,
    user_vector vector,
    excluded integer[],
    found integer[],
    found_scores double precision[],
    wanted bigint,
    enough double precision,
    above double precision,
    lowest double precision
)
RETURNS TABLE (movies integer[], scores double precision[], last_score double precision, tied boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        array_agg(t.movie_index ORDER BY t.score DESC),
        array_agg(t.score ORDER BY t.score DESC),
        CASE WHEN count(*) >= next_best.wanted THEN min(t.score) ELSE '-Infinity' END,
        count(*) > count(DISTINCT t.score)
    FROM (
        SELECT u.movie_index, u.score
        FROM (
            SELECT f.movie_index, f.score FROM unnest(next_best.found, next_best.found_scores) AS f (movie_index, score)
            UNION ALL
            SELECT b.movie_index, b.score
            FROM embrec.ranking_block(
                next_best.model_run_id, next_best.next, next_best.user_vector, next_best.above, next_best.lowest
            ) AS b
            WHERE b.score >= next_best.enough
        ) AS u
        WHERE u.movie_index NOT IN (SELECT unnest(next_best.excluded))
        ORDER BY u.score DESC
        FETCH FIRST next_best.wanted ROWS WITH TIES
    ) AS t;
END;

CREATE OR REPLACE FUNCTION embrec.next_best(
    model_run_id integer,
    next boolean,
    user_vector vector,
    excluded integer[],
    found integer[],
    found_scores double precision[],
    wanted bigint,
    enough double precision,
    above double precision,
    lowest double precision,
    asked_bits bigint,
    genres text[],
    without_genres text[],
    released_from integer,
    released_to integer,
    min_ratings integer
)
RETURNS TABLE (movies integer[], scores double precision[], last_score double precision, tied boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        array_agg(t.movie_index ORDER BY t.score DESC),
        array_agg(t.score ORDER BY t.score DESC),
        CASE WHEN count(*) >= next_best.wanted THEN min(t.score) ELSE '-Infinity' END,
        count(*) > count(DISTINCT t.score)
    FROM (
        SELECT u.movie_index, u.score
        FROM (
            SELECT f.movie_index, f.score, true AS passed
            FROM unnest(next_best.found, next_best.found_scores) AS f (movie_index, score)
            UNION ALL
            SELECT b.movie_index, b.score, false
            FROM embrec.ranking_block(
                next_best.model_run_id, next_best.next, next_best.user_vector, next_best.above, next_best.lowest,
                next_best.asked_bits, next_best.released_from, next_best.released_to
            ) AS b
            WHERE b.score >= next_best.enough
            ORDER BY score DESC -- so that the rest is asked of the best alone
            OFFSET 0
        ) AS u
        WHERE u.movie_index NOT IN (SELECT unnest(next_best.excluded))
            AND (u.passed OR EXISTS (
                SELECT
                FROM embrec.movies_within(
                    next_best.genres, next_best.without_genres, next_best.released_from, next_best.released_to,
                    next_best.min_ratings
                ) AS w
                WHERE w.movie_index = u.movie_index
                OFFSET 0
            ))
        ORDER BY u.score DESC
        FETCH FIRST next_best.wanted ROWS WITH TIES
    ) AS t;
END;
