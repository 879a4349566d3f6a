-- Recommend the n movies that a visitor without an account will most likely want next, given their session: a JSON array of
-- movie ids, newest last, ["50", "172"], or of objects that have a type and a time too, as given_history reads them. Unknown
-- movies are ignored. Otherwise as recommend_next. An empty session is answered by popularity.
CREATE OR REPLACE FUNCTION embrec.recommend_next_for(
    history jsonb,
    n integer DEFAULT 10,
    repeats text DEFAULT 'never',
    genres text[] DEFAULT NULL,
    without_genres text[] DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL,
    min_ratings integer DEFAULT NULL,
    movie_ids text[] DEFAULT NULL
)
RETURNS SETOF embrec.recommended_movie
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run record;
    own record;
    chosen record;
BEGIN
    SELECT r.model_run_id, r.history_length, r.highest_rating INTO run
    FROM embrec.model_runs AS r
    WHERE r.model_run_id = (SELECT p.model_run_id FROM embrec.answering_run AS p);
    SELECT g.* INTO own FROM embrec.given_history(recommend_next_for.history, run.history_length) AS g;
    SELECT a.* INTO chosen FROM embrec.next_among(repeats, own.seen, own.disliked, movie_ids) AS a;
    IF run.history_length IS NULL THEN
        -- Lists know ratings: each step is one of the highest. Disliked movies are no steps, and are left out here.
        RETURN QUERY
        SELECT (row_number() OVER (ORDER BY r.rank))::integer, r.movie_id, r.title, r.score, r.basis, r.model_run_id
        FROM embrec.recommend_for(
            (
                SELECT coalesce(jsonb_object_agg(m.movie_id, coalesce(run.highest_rating, 1)), '{}')
                FROM embrec.movies AS m
                WHERE m.movie_index = ANY (own.steps)
            ),
            least(n::bigint + cardinality(chosen.excluded), 2147483647)::integer, genres, without_genres, released_from,
            released_to, min_ratings,
            CASE WHEN chosen.among IS NOT NULL THEN
                ARRAY(SELECT m.movie_id FROM embrec.movies AS m WHERE m.movie_index = ANY (chosen.among))
            END,
            repeats <> 'never'
        ) AS r
        JOIN embrec.movies AS m ON m.movie_id = r.movie_id
        WHERE m.movie_index <> ALL (chosen.excluded)
        ORDER BY r.rank
        LIMIT n;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT r.*
    FROM embrec.ranked_next(
        run.model_run_id, own.steps, chosen.excluded, chosen.among, n, genres, without_genres, released_from, released_to,
        min_ratings
    ) AS r;
END;
$$;
