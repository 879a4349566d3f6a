-- Return the vector of a history, newest step first, by a run's vectors of what comes next (next_vectors): the sum, over steps
-- and channels, of decay ** age / sqrt(greatest(1, sum of decay ** age over the steps)) times the vector that the step's movie adds.
-- Factors below 0.01 are 0. NULL if no movie of the steps has such a vector.
CREATE OR REPLACE FUNCTION embrec.history_vector(model_run_id integer, decays real[], steps integer[])
RETURNS vector
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    factors double precision[] := decays;
    totals double precision[] := ARRAY(
        SELECT greatest('1', (
            SELECT sum(p.factor)
            FROM generate_series(0, cardinality(steps) - 1) AS a (age)
            CROSS JOIN LATERAL (SELECT power(d.decay, a.age) AS factor) AS p
            WHERE p.factor >= '0.01'
        ))
        FROM unnest(factors) WITH ORDINALITY AS d (decay, channel)
        ORDER BY d.channel
    );
BEGIN
    RETURN (
        SELECT sum(embrec.scaled(w.embedding, w.weight))
        FROM (
            SELECT v.embedding, p.factor / sqrt(totals[v.channel]) AS weight
            FROM unnest(steps) WITH ORDINALITY AS t (movie_index, position)
            JOIN embrec.next_vectors AS v
                ON v.model_run_id = history_vector.model_run_id AND v.movie_index = t.movie_index AND v.channel > '0'
            CROSS JOIN LATERAL (SELECT power(factors[v.channel], t.position - '1') AS factor) AS p
            WHERE p.factor >= '0.01'
            OFFSET 0 -- so that a weight is computed once
        ) AS w
    );
END;
$$;
