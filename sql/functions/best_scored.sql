-- Return the movies of the highest scores for what the rows of a history give candidates (next_rows, the highest first), and for
-- the vector of that history, if there is one; best first, and more than are wanted if some tie. Excluded ones are no
-- candidates. The filters are those of movies_within.
--
-- It is the threshold algorithm (Fagin, Lotem, Naor, "Optimal aggregation algorithms for middleware", 2003). The best by the
-- vector alone are scored first (best_movies). No other movie's product is higher than their last, so that candidates are
-- looked at in the order of what rows give them, a block at a time, until that and this reach come to less than the last of
-- the best. So it is exact. Movies without rows are looked for once more if rows count against one of the best by the vector.
CREATE OR REPLACE FUNCTION embrec.best_scored(
    model_run_id integer,
    history vector,
    candidates integer[],
    row_scores double precision[],
    excluded integer[],
    genres text[],
    without_genres text[],
    released_from integer,
    released_to integer,
    min_ratings integer,
    wanted bigint,
    OUT movies integer[],
    OUT scores double precision[]
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    filtered boolean := num_nonnulls(genres, without_genres, released_from, released_to, min_ratings) > 0;
    reach double precision := '0'; -- the highest product of a movie that is not near; that of one without a vector is 0
    last_score double precision := '-Infinity';
    position integer := 1;
    size integer := 64 + least(wanted, 1000000);
    block integer[];
    block_scores double precision[];
BEGIN
    IF history IS NOT NULL THEN
        SELECT b.movies, b.scores INTO block, block_scores
        FROM embrec.best_movies(
            model_run_id, true, false, history, excluded, genres, without_genres, released_from, released_to, min_ratings, NULL, wanted
        ) AS b;
        IF cardinality(block) >= wanted THEN
            reach := greatest(block_scores[cardinality(block)], '0');
        END IF;
        SELECT array_agg(t.movie_index), array_agg(t.score + coalesce(row_scores[array_position(candidates, t.movie_index)], '0'))
        INTO movies, scores
        FROM unnest(block, block_scores) AS t (movie_index, score);
    END IF;
    WHILE row_scores[position] + reach >= last_score LOOP
        block := candidates[position : position + size - 1];
        block_scores := row_scores[position : position + size - 1];
        IF filtered THEN
            SELECT array_agg(t.movie_index), array_agg(t.score) INTO block, block_scores
            FROM unnest(block, block_scores) AS t (movie_index, score)
            WHERE EXISTS (
                SELECT
                FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings) AS w
                WHERE w.movie_index = t.movie_index
                OFFSET 0
            );
        END IF;
        SELECT n.* INTO movies, scores, last_score
        FROM embrec.next_scored(model_run_id, history, block, block_scores, movies, scores, wanted) AS n;
        position := position + size;
        size := 4 * size;
    END LOOP;
    IF history IS NOT NULL AND last_score < reach THEN
        SELECT b.movies, b.scores INTO block, block_scores
        FROM embrec.best_movies(
            model_run_id, true, false, history, excluded || candidates, genres, without_genres, released_from, released_to,
            min_ratings, NULL, wanted
        ) AS b;
        SELECT n.movies, n.scores INTO movies, scores
        FROM embrec.next_scored(model_run_id, NULL, block, block_scores, movies, scores, wanted) AS n;
    END IF;
END;
$$;
