-- Return the steps of a user's history that add most to a movie's score as the next one, or take most away; the contributions
-- of all steps, with n => NULL, add up to the score of recommend_next. Steps that add nothing are left out. No rows for an
-- unknown id, a movie that nothing speaks for or against, or a run that knows no order.
CREATE OR REPLACE FUNCTION embrec.explain_next(user_id text, movie_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.step_contribution
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run record;
    own_index integer := (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = explain_next.user_id);
    asked integer := (SELECT m.movie_index FROM embrec.movies AS m WHERE m.movie_id = explain_next.movie_id);
    own vector;
BEGIN
    SELECT r.model_run_id, r.history_length, r.row_decays, r.vector_decays INTO run
    FROM embrec.model_runs AS r
    WHERE r.model_run_id = embrec.serving_run(explain_next.user_id);
    SELECT v.embedding INTO own
    FROM embrec.next_vectors AS v
    WHERE v.model_run_id = run.model_run_id AND v.movie_index = asked AND v.channel = '0';
    RETURN QUERY
    WITH steps AS MATERIALIZED (
        SELECT s.* FROM embrec.user_steps(own_index, NULL, run.history_length) AS s WHERE run.history_length IS NOT NULL
    ),
    parts AS (
        SELECT
            s.age,
            f.factor * n.weights[
                array_position(n.next_indexes[1 : greatest(10, ceil(f.factor * cardinality(n.weights) - 1e-6)::integer)], asked)
            ] AS part
        FROM steps AS s
        CROSS JOIN unnest(run.row_decays::double precision[]) WITH ORDINALITY AS d (decay, channel)
        CROSS JOIN LATERAL (SELECT power(d.decay, s.age) AS factor) AS f
        JOIN embrec.next_movies AS n
            ON n.model_run_id = run.model_run_id AND n.movie_index = s.movie_index AND n.channel = d.channel::smallint
        WHERE f.factor >= '0.01'
        UNION ALL
        SELECT f.age, -(v.embedding <#> own) * f.factor / sqrt(greatest('1', f.total))
        FROM (
            SELECT a.*, sum(a.factor) OVER (PARTITION BY a.channel) AS total
            FROM (
                SELECT s.age, s.movie_index, d.channel, power(d.decay, s.age) AS factor
                FROM steps AS s
                CROSS JOIN unnest(run.vector_decays::double precision[]) WITH ORDINALITY AS d (decay, channel)
            ) AS a
            WHERE a.factor >= '0.01'
        ) AS f
        JOIN embrec.next_vectors AS v
            ON v.model_run_id = run.model_run_id AND v.movie_index = f.movie_index AND v.channel = f.channel::smallint
    )
    SELECT
        (row_number() OVER (ORDER BY abs(c.contribution) DESC, s.age))::integer AS rank,
        m.movie_id,
        m.title,
        t.name,
        s.occurred_at,
        s.age,
        c.contribution,
        sum(c.contribution) OVER (),
        run.model_run_id
    FROM (SELECT p.age, sum(p.part) AS contribution FROM parts AS p GROUP BY p.age) AS c
    JOIN steps AS s ON s.age = c.age
    JOIN embrec.movies AS m ON m.movie_index = s.movie_index
    JOIN embrec.event_types AS t ON t.event_type = s.event_type
    WHERE c.contribution <> '0'
    ORDER BY rank
    LIMIT explain_next.n;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.explain_next(user_id text, movie_id anynonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.step_contribution
LANGUAGE sql STABLE
AS $$
    SELECT * FROM embrec.explain_next(explain_next.user_id, embrec.id_text(explain_next.movie_id), explain_next.n);
$$;

CREATE OR REPLACE FUNCTION embrec.explain_next(user_id anynonarray, movie_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.step_contribution
LANGUAGE sql STABLE
AS $$
    SELECT * FROM embrec.explain_next(embrec.id_text(explain_next.user_id), explain_next.movie_id, explain_next.n);
$$;

CREATE OR REPLACE FUNCTION embrec.explain_next(user_id anynonarray, movie_id anycompatiblenonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.step_contribution
LANGUAGE sql STABLE
AS $$
    SELECT *
    FROM embrec.explain_next(embrec.id_text(explain_next.user_id), embrec.id_text(explain_next.movie_id), explain_next.n);
$$;
