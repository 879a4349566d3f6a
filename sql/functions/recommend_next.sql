-- Recommend the n movies that a user will most likely want next, given the order of what they did: ratings and events as they
-- are now. repeats is 'never' for movies that the user has not seen, 'allowed' for all, 'only' for those that they have;
-- disliked ones are left out in any case. With since, only steps from that time on count; what was seen earlier is still
-- seen. The filters are those of recommend_movies. A run that knows no order answers by its lists, as recommend_movies does.
CREATE OR REPLACE FUNCTION embrec.recommend_next(
    user_id text,
    n integer DEFAULT 10,
    repeats text DEFAULT 'never',
    since timestamptz DEFAULT NULL,
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
    own_index integer := (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = recommend_next.user_id);
    chosen record;
    steps integer[];
BEGIN
    SELECT r.model_run_id, r.history_length INTO run
    FROM embrec.model_runs AS r
    WHERE r.model_run_id = embrec.serving_run(recommend_next.user_id);
    SELECT a.* INTO chosen
    FROM (
        SELECT array_agg(o.movie_index) AS seen, array_agg(o.movie_index) FILTER (WHERE o.disliked) AS disliked
        FROM (
            SELECT r.movie_index, false AS disliked FROM embrec.ratings AS r WHERE r.user_index = own_index
            UNION ALL
            SELECT e.movie_index, e.event_type = ANY (ARRAY(SELECT t.event_type FROM embrec.event_types AS t WHERE t.kind = 'dislike'))
            FROM embrec.events AS e
            WHERE e.user_index = own_index
        ) AS o
    ) AS own
    CROSS JOIN embrec.next_among(repeats, own.seen, own.disliked, movie_ids) AS a;
    IF run.history_length IS NULL THEN
        -- Lists with seen movies have disliked ones too, which are left out here.
        RETURN QUERY
        SELECT (row_number() OVER (ORDER BY r.rank))::integer, r.movie_id, r.title, r.score, r.basis, r.model_run_id
        FROM embrec.recommend_movies(
            recommend_next.user_id, least(n::bigint + cardinality(chosen.excluded), 2147483647)::integer, genres, without_genres,
            released_from, released_to, min_ratings,
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
    steps := ARRAY(SELECT s.movie_index FROM embrec.user_steps(own_index, since, run.history_length) AS s ORDER BY s.age);
    RETURN QUERY
    SELECT r.*
    FROM embrec.ranked_next(
        run.model_run_id, steps, chosen.excluded, chosen.among, n, genres, without_genres, released_from, released_to, min_ratings
    ) AS r;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.recommend_next(
    user_id anynonarray,
    n integer DEFAULT 10,
    repeats text DEFAULT 'never',
    since timestamptz DEFAULT NULL,
    genres text[] DEFAULT NULL,
    without_genres text[] DEFAULT NULL,
    released_from integer DEFAULT NULL,
    released_to integer DEFAULT NULL,
    min_ratings integer DEFAULT NULL,
    movie_ids text[] DEFAULT NULL
)
RETURNS SETOF embrec.recommended_movie
LANGUAGE sql STABLE
AS $$
    SELECT *
    FROM embrec.recommend_next(
        embrec.id_text(recommend_next.user_id), recommend_next.n, recommend_next.repeats, recommend_next.since,
        recommend_next.genres, recommend_next.without_genres, recommend_next.released_from, recommend_next.released_to,
        recommend_next.min_ratings, recommend_next.movie_ids
    );
$$;
