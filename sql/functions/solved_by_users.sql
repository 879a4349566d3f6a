-- Return the solution of solved_movie_preference in a run that was trained before there was a matrix for it: by the
-- ranking vectors of its users, which such a run has stored. NULL if it has none.
CREATE OR REPLACE FUNCTION embrec.solved_by_users(model_run_id integer, moment vector)
RETURNS vector
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    every integer := (
        -- A few thousand users tell as much as all of them of how users' vectors are spread.
        SELECT greatest(r.user_count / 2000, 1) FROM embrec.model_runs AS r WHERE r.model_run_id = solved_by_users.model_run_id
    );
    users vector[];
    penalty double precision;
BEGIN
    -- Ten users of mean length, as in embrec.models.ease.long_tail.
    SELECT
        array_agg(embrec.scaled(e.embedding, sqrt(every))),
        10 * avg(-(e.embedding <#> e.embedding)) / vector_dims(moment)
    INTO users, penalty
    FROM embrec.user_embeddings AS e
    WHERE e.model_run_id = solved_by_users.model_run_id AND e.part = 'preference' AND e.user_index % every = 0;
    RETURN CASE WHEN users IS NOT NULL THEN
        embrec.ridge(users, moment, array_fill(penalty::real, ARRAY[vector_dims(moment)])::vector)
    END;
END;
$$;
