-- Count what comes next after the movies that a run was trained without, and after which movies these come, in place of what
-- was counted before (next_movies.folded_in). The users are those of newcomers; of a movie with more than a thousand each
-- counted user stands for several.
--
-- The rows are sequential rules (embrec.models.next.sparse), with the weight by which these stand in for all parts of the
-- run. A movie's share among those that came after a trained one is of the transitions from that in training and those to
-- this movie. In a run that knows no order there are none. Channel 0 has what users of a movie also watched
-- (embrec.models.next.along), in a run that was trained with it. As in training a row has the 200 strongest, there 100.
CREATE OR REPLACE FUNCTION embrec.fold_in_next(model_run_id integer)
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET work_mem = '64MB' -- the sums need no file
SET enable_nestloop = off -- the planner does not know yet how many rows a run has that was just stored
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    rules smallint;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = fold_in_next.model_run_id;
    rules := CASE WHEN run.new_movies_weight > 0 THEN array_position(run.row_decays, '0.5') END;
    DELETE FROM embrec.next_movies AS n WHERE n.model_run_id = run.model_run_id AND n.folded_in;
    INSERT INTO embrec.next_movies (model_run_id, movie_index, channel, folded_in, next_indexes, weights)
    WITH new AS MATERIALIZED (
        SELECT n.movie_index, n.user_indexes, n.user_count::double precision / cardinality(n.user_indexes) AS each
        FROM embrec.newcomers(run.model_run_id) AS n
        WHERE n.user_indexes IS NOT NULL
    ),
    trained AS MATERIALIZED (
        SELECT k.movie_index, k.user_count, k.transitions
        FROM embrec.next_movies AS k
        WHERE k.model_run_id = run.model_run_id AND k.channel = 0 AND NOT k.folded_in
    ),
    steps AS MATERIALIZED (
        SELECT u.user_index, s.age, s.movie_index
        FROM (SELECT DISTINCT i.user_index FROM new AS n CROSS JOIN unnest(n.user_indexes) AS i (user_index)) AS u
        CROSS JOIN LATERAL embrec.user_steps(u.user_index, NULL, NULL) AS s
    ),
    own AS MATERIALIZED (
        SELECT n.movie_index, n.each, s.user_index, s.age
        FROM new AS n
        CROSS JOIN unnest(n.user_indexes) AS i (user_index)
        JOIN steps AS s ON s.user_index = i.user_index AND s.movie_index = n.movie_index
    ),
    -- Counted by distance first, so that sums of fractions are in one order.
    transitions AS (
        SELECT g.movie_index, g.other, g.after, sum(0.7::double precision ^ (g.distance - 1) * g.number ORDER BY g.distance) AS number
        FROM (
            SELECT o.movie_index, s.movie_index AS other, s.age < o.age AS after, abs(s.age - o.age) AS distance, count(*) * o.each AS number
            FROM own AS o
            JOIN steps AS s ON s.user_index = o.user_index AND abs(s.age - o.age) BETWEEN 1 AND 10
            GROUP BY o.movie_index, o.each, s.movie_index, after, distance
        ) AS g
        GROUP BY g.movie_index, g.other, g.after
    ),
    shares AS (
        SELECT
            CASE WHEN t.after THEN t.movie_index ELSE t.other END AS movie_index,
            CASE WHEN t.after THEN t.other ELSE t.movie_index END AS other,
            t.number / (1 + CASE
                WHEN t.after THEN sum(t.number) OVER (
                    PARTITION BY t.movie_index, t.after ORDER BY t.other ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
                )
                ELSE t.number + coalesce(k.transitions, 0)
            END) AS share,
            t.after OR t.other NOT IN (SELECT n.movie_index FROM new AS n) AS counts -- or it is in the other's own row
        FROM transitions AS t
        LEFT JOIN trained AS k ON k.movie_index = t.other
    ),
    users AS (
        SELECT o.movie_index, o.each, count(DISTINCT o.user_index) * o.each AS number FROM own AS o GROUP BY o.movie_index, o.each
    ),
    along AS (
        SELECT b.movie_index, b.other, b.is_new, (b.number - b.chance) / sqrt(b.chance + 3) AS excess
        FROM (
            SELECT
                u.movie_index,
                p.other,
                v.movie_index IS NOT NULL AS is_new,
                p.number * u.each AS number,
                u.number * coalesce(v.number, k.user_count, 0) / run.user_count AS chance
            FROM (
                SELECT o.movie_index, s.movie_index AS other, count(DISTINCT o.user_index) AS number
                FROM own AS o
                JOIN steps AS s ON s.user_index = o.user_index AND s.movie_index <> o.movie_index
                GROUP BY o.movie_index, s.movie_index
                HAVING count(DISTINCT o.user_index) >= 2
            ) AS p
            JOIN users AS u ON u.movie_index = p.movie_index
            LEFT JOIN users AS v ON v.movie_index = p.other
            LEFT JOIN trained AS k ON k.movie_index = p.other
            WHERE EXISTS (SELECT FROM trained)
        ) AS b
        WHERE b.number > b.chance
    ),
    entries AS (
        SELECT rules AS channel, s.movie_index, s.other, s.share::real * run.new_movies_weight AS weight
        FROM shares AS s
        WHERE s.counts AND rules IS NOT NULL
        UNION ALL
        SELECT 0, a.movie_index, a.other, a.excess::real FROM along AS a
        UNION ALL
        SELECT 0, a.other, a.movie_index, a.excess::real FROM along AS a WHERE NOT a.is_new
    )
    SELECT
        run.model_run_id,
        e.movie_index,
        e.channel,
        true,
        array_agg(e.other ORDER BY e.place),
        array_agg(e.weight ORDER BY e.place)
    FROM (
        SELECT n.*, row_number() OVER (PARTITION BY n.channel, n.movie_index ORDER BY n.weight DESC, n.other) AS place
        FROM entries AS n
    ) AS e
    WHERE e.place <= CASE e.channel WHEN 0 THEN 100 ELSE 200 END
    GROUP BY e.channel, e.movie_index;
END;
$$;
