-- Return the scores that a run's rows (next_movies) give movies as the next step of a history, newest step first: the highest
-- first, without movies that are excluded. For each step and channel they are the weights of the movie's strongest next movies,
-- times the factor, which is the channel's decay ** age. Factors below 0.01 are 0, and of a row the share that is the factor
-- counts, of at least 10 entries. They are added by channel, then age, trained rows first, so that sums are those of
-- embrec.models.next.base to the last bit.
CREATE OR REPLACE FUNCTION embrec.next_rows(
    model_run_id integer,
    decays real[],
    steps integer[],
    excluded integer[],
    OUT movies integer[],
    OUT scores double precision[]
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET max_parallel_workers_per_gather = 0 -- starting workers takes longer
SET jit = off -- as does compiling
AS $$
#variable_conflict use_column
BEGIN
    SELECT array_agg(s.movie_index), array_agg(s.score) INTO movies, scores
    FROM (
        SELECT w.movie_index, sum(w.weight * w.factor) AS score
        FROM (
            SELECT unnest(k.next_indexes[1 : k.most]) AS movie_index, unnest(k.weights[1 : k.most]) AS weight, k.factor
            FROM (
                SELECT
                    n.next_indexes,
                    n.weights,
                    f.factor,
                    greatest(10, ceil(f.factor * cardinality(n.weights) - 1e-6)::integer) AS most
                FROM (
                    SELECT t.movie_index, d.channel::smallint AS channel, power(d.decay, t.position - '1') AS factor
                    FROM unnest(decays::double precision[]) WITH ORDINALITY AS d (decay, channel)
                    CROSS JOIN unnest(steps) WITH ORDINALITY AS t (movie_index, position)
                    OFFSET 0 -- so that a factor is computed once
                ) AS f
                CROSS JOIN LATERAL (
                    SELECT r.folded_in, r.next_indexes, r.weights
                    FROM embrec.next_movies AS r
                    WHERE r.model_run_id = next_rows.model_run_id AND r.movie_index = f.movie_index AND r.channel = f.channel
                    OFFSET 0 -- by the key, however many rows the planner expects
                ) AS n
                WHERE f.factor >= '0.01'
                ORDER BY f.channel, n.folded_in, f.factor DESC
            ) AS k
        ) AS w
        GROUP BY w.movie_index
        HAVING w.movie_index NOT IN (SELECT unnest(excluded))
        ORDER BY score DESC
    ) AS s;
END;
$$;
