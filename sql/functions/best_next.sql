-- Return the movies that a run scores highest as the next step of a history, newest step first, with their scores; more than are
-- wanted if some tie. They are among those given, if any are, and never excluded ones. The filters are those of movies_within.
-- Movies without a score, which is 0, fill up by popularity.
CREATE OR REPLACE FUNCTION embrec.best_next(
    model_run_id integer,
    steps integer[],
    excluded integer[],
    among integer[],
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
    run record;
    named integer[];
    row_scores double precision[];
    history vector;
BEGIN
    SELECT r.row_decays, r.vector_decays INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = best_next.model_run_id;
    SELECT r.movies, r.scores INTO named, row_scores FROM embrec.next_rows(model_run_id, run.row_decays, steps, excluded) AS r;
    IF run.vector_decays <> '{}' THEN
        history := embrec.history_vector(model_run_id, run.vector_decays, steps);
    END IF;
    IF among IS NOT NULL THEN
        SELECT array_agg(a.movie_index), array_agg(coalesce(row_scores[array_position(named, a.movie_index)], '0'))
        INTO named, row_scores
        FROM (SELECT DISTINCT g.movie_index FROM unnest(among) AS g (movie_index)) AS a
        WHERE a.movie_index NOT IN (SELECT unnest(excluded)) AND (NOT filtered OR a.movie_index IN (
            SELECT w.movie_index
            FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings) AS w
        ));
        SELECT n.movies, n.scores INTO movies, scores
        FROM embrec.next_scored(model_run_id, history, named, row_scores, NULL, NULL, wanted) AS n;
        RETURN;
    END IF;
    SELECT b.movies, b.scores INTO movies, scores
    FROM embrec.best_scored(
        model_run_id, history, named, row_scores, excluded, genres, without_genres, released_from, released_to, min_ratings, wanted
    ) AS b;
    IF (SELECT count(*) FROM unnest(scores) AS t (score) WHERE t.score > '0') < wanted THEN
        SELECT movies || array_agg(l.movie_index), scores || array_agg('0'::double precision) INTO movies, scores
        FROM (
            SELECT s.movie_index
            FROM embrec.movie_likes AS s
            WHERE s.movie_index NOT IN (SELECT unnest(excluded || named))
                AND (history IS NULL OR NOT EXISTS (
                    SELECT
                    FROM embrec.movie_ranking AS e
                    WHERE e.model_run_id = best_next.model_run_id AND e.movie_index = s.movie_index AND e.next
                ))
                AND (NOT filtered OR s.movie_index IN (
                    SELECT w.movie_index
                    FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings) AS w
                ))
            ORDER BY s.popularity_rank
            LIMIT wanted
        ) AS l;
    END IF;
END;
$$;
