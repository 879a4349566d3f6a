-- Return the n movies that a run scores highest as the next step of a history, newest step first: recommend_next and
-- recommend_next_for are made of it, and best_next says how. Of equal ones the most popular come first. Basis is 'history', or
-- 'popularity' for a movie without a score.
CREATE OR REPLACE FUNCTION embrec.ranked_next(
    model_run_id integer,
    steps integer[],
    excluded integer[],
    among integer[],
    n integer,
    genres text[],
    without_genres text[],
    released_from integer,
    released_to integer,
    min_ratings integer
)
RETURNS SETOF embrec.recommended_movie
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT
        (row_number() OVER (ORDER BY t.score DESC, c.popularity_rank, m.movie_id COLLATE "C"))::integer AS rank,
        m.movie_id,
        m.title,
        t.score,
        CASE t.score WHEN '0' THEN 'popularity' ELSE 'history' END,
        ranked_next.model_run_id
    FROM embrec.best_next(
        model_run_id, steps, coalesce(excluded, '{}'), among, genres, without_genres, released_from, released_to, min_ratings,
        coalesce(n, 2147483648)
    ) AS b
    CROSS JOIN unnest(b.movies, b.scores) AS t (movie_index, score)
    -- By the key, however many rows the planner takes the arrays for.
    CROSS JOIN LATERAL (SELECT k.movie_id, k.title FROM embrec.movies AS k WHERE k.movie_index = t.movie_index OFFSET 0) AS m
    LEFT JOIN LATERAL (
        SELECT k.popularity_rank FROM embrec.movie_counts AS k WHERE k.movie_index = t.movie_index OFFSET 0
    ) AS c ON true
    ORDER BY rank
    LIMIT ranked_next.n;
END;
$$;
