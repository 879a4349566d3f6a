-- Return the vector of a history, newest step first, by a run's vectors of what comes next (next_vectors): the sum, over steps
-- and channels, of decay ** age / sqrt(greatest(1, sum of decay ** age over the steps)) times the vector that the step's movie adds.
-- Factors below 0.001 are 0. NULL if no movie of the steps has such a vector.
CREATE OR REPLACE FUNCTION embrec.history_vector(model_run_id integer, decays real[], steps integer[])
RETURNS vector
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT sum(embrec.scaled(v.embedding, f.factor / sqrt(greatest('1', f.total))))
        FROM (
            SELECT a.movie_index, a.channel, a.factor, sum(a.factor) OVER (PARTITION BY a.channel) AS total
            FROM (
                SELECT t.movie_index, d.channel, power(d.decay::double precision, t.position - '1') AS factor
                FROM unnest(decays) WITH ORDINALITY AS d (decay, channel)
                CROSS JOIN unnest(steps) WITH ORDINALITY AS t (movie_index, position)
            ) AS a
            WHERE a.factor >= '0.001'
        ) AS f
        JOIN embrec.next_vectors AS v ON v.model_run_id = history_vector.model_run_id AND v.movie_index = f.movie_index
            AND v.channel = f.channel::smallint
    );
END;
$$;
