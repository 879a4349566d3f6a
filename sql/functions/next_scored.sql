-- Return the best of the movies found so far and of a block of candidates, best first, and more than are wanted if they tie with
-- the last; and the last score, from which on a movie counts, if there are enough. A candidate's score is what rows gave it,
-- plus the product of its vector with the history's, if there are both. A query takes the function's own in its place, so it
-- has no settings.
CREATE OR REPLACE FUNCTION embrec.next_scored(
    model_run_id integer,
    history vector,
    candidates integer[],
    row_scores double precision[],
    found integer[],
    found_scores double precision[],
    wanted bigint
)
RETURNS TABLE (movies integer[], scores double precision[], last_score double precision)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        array_agg(t.movie_index ORDER BY t.score DESC),
        array_agg(t.score ORDER BY t.score DESC),
        CASE WHEN count(*) >= next_scored.wanted THEN min(t.score) ELSE '-Infinity' END
    FROM (
        SELECT u.movie_index, u.score
        FROM (
            SELECT c.movie_index, c.score + coalesce(-(e.embedding <#> next_scored.history), '0') AS score
            FROM unnest(next_scored.candidates, next_scored.row_scores) AS c (movie_index, score)
            LEFT JOIN LATERAL (
                SELECT k.embedding
                FROM embrec.movie_ranking AS k
                WHERE k.model_run_id = next_scored.model_run_id AND k.movie_index = c.movie_index AND k.next
                    AND next_scored.history IS NOT NULL
                OFFSET 0 -- by the key, however many candidates the planner expects
            ) AS e ON true
            WHERE c.movie_index <> ALL (coalesce(next_scored.found, '{}'))
            UNION ALL
            SELECT f.movie_index, f.score FROM unnest(next_scored.found, next_scored.found_scores) AS f (movie_index, score)
        ) AS u
        ORDER BY u.score DESC
        FETCH FIRST next_scored.wanted ROWS WITH TIES
    ) AS t;
END;
