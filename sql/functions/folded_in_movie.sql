-- Return the vectors of a movie that a run was trained without (cold start), from its ratings and its side information;
-- bias is that of the rating model. Without ratings they are those of movies_like, the ranking vector shortened, or
-- users would be recommended movies for their genres alone before others.
--
-- With ratings, the rating vector is the ridge regression of the ratings on the users' vectors. It is shrunk to the
-- mean of movies_like as much as movies differ in each coordinate (in a run of ALS, as its own sweeps do). The ranking
-- vector is the ridge regression of the movie's ratings on the users' vectors (as in embrec.models.ease.long_tail). The
-- similarity vector is that of the movies with the nearest ranking vectors. Each part has its own length. Without a
-- ranking vector, if no movie or user that it is made of has one, there is the rating vector alone.
CREATE OR REPLACE FUNCTION embrec.folded_in_movie(model_run_id integer, movie_index integer, user_indexes integer[], ratings real[])
RETURNS TABLE (part embrec.part, bias real, embedding vector)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    near integer[];
    weights double precision[];
    prior vector;
    solved vector;
    mean vector;
    width integer;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = folded_in_movie.model_run_id;
    SELECT array_agg(l.near_index), array_agg(l.weight) INTO near, weights
    FROM embrec.movies_like(run.model_run_id, folded_in_movie.movie_index) AS l;
    prior := embrec.mean_movie(run.model_run_id, 'rating', near, weights);
    width := vector_dims(prior) - 1;
    solved := coalesce(embrec.solved_movie_rating(run.model_run_id, prior, user_indexes, ratings), prior);
    RETURN QUERY SELECT 'rating'::embrec.part, (subvector(solved, width + 1, 1)::real[])[1], subvector(solved, 1, width);
    IF run.serving <> 'two_part' THEN
        RETURN;
    END IF;
    solved := embrec.solved_movie_preference(run.model_run_id, user_indexes, ratings);
    IF solved IS NULL THEN
        mean := embrec.mean_movie(run.model_run_id, 'preference', near, weights);
        solved := CASE WHEN mean IS NOT NULL THEN
            subvector(mean, 1, vector_dims(mean) - 1) * array_fill(0.1::real, ARRAY[vector_dims(mean) - 1])::vector
        END;
    ELSE
        SELECT array_agg(n.movie_index), array_agg(n.weight) INTO near, weights
        FROM (
            SELECT e.movie_index, greatest(1 - (e.embedding <=> solved), 1e-3) ^ 4 AS weight
            FROM embrec.movie_embeddings AS e
            WHERE e.model_run_id = run.model_run_id AND e.part = 'preference' AND NOT e.folded_in
            ORDER BY e.embedding <=> solved
            LIMIT 20
        ) AS n;
    END IF;
    IF solved IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT 'preference'::embrec.part, NULL::real, solved;
    RETURN QUERY
    SELECT 'profile'::embrec.part, NULL::real, solved * array_fill((
        SELECT avg(vector_norm(p.embedding)) / avg(vector_norm(e.embedding))
        FROM embrec.movie_embeddings AS p
        JOIN embrec.movie_embeddings AS e USING (model_run_id, movie_index)
        WHERE p.model_run_id = run.model_run_id AND p.part = 'profile' AND e.part = 'preference'
            AND p.movie_index = ANY (near)
    )::real, ARRAY[vector_dims(solved)])::vector;
    mean := embrec.mean_movie(run.model_run_id, 'similarity', near, weights);
    RETURN QUERY SELECT 'similarity'::embrec.part, NULL::real, subvector(mean, 1, vector_dims(mean) - 1);
END;
$$;
