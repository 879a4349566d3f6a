-- Return the amount that each of these ratings and interests adds to a movie's score by a run, or takes away:
-- explain_recommendation and explain_for are made of it. The contributions of all, with n => NULL, add up to the score.
-- Relation is 'because' for one that speaks for the movie, and 'although' for one that speaks against it; NULL for a dislike
-- that happens to add to the score, because nobody is told to watch a movie because they disliked another. If a run
-- ranks by predicted ratings, a first row without a movie has the part that does not depend on a rating. No rows for a
-- movie without a vector in the run, or for an outer-product run, whose score is not a sum over ratings.
CREATE OR REPLACE FUNCTION embrec.contributions(
    model_run_id integer,
    movie_indexes integer[],
    ratings real[],
    interests real[],
    movie_id text,
    n integer
)
RETURNS SETOF embrec.contribution
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    rated integer[];
    given real[];
    watched real[]; -- interests, NULL for a rating
    movie record;
    solution vector;
    penalty double precision;
    parts double precision[];
    rest double precision;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = contributions.model_run_id;
    SELECT e.embedding, e.bias INTO movie
    FROM embrec.stored_vectors(
        'movie', run.model_run_id, CASE run.serving WHEN 'two_part' THEN 'preference' ELSE 'rating' END::embrec.part,
        ARRAY(SELECT m.movie_index FROM embrec.movies AS m WHERE m.movie_id = contributions.movie_id)
    ) AS e;
    IF NOT FOUND OR (run.serving <> 'two_part' AND run.user_vectors <> 'fold_in') THEN
        RETURN;
    END IF;
    SELECT
        array_agg(t.movie_index ORDER BY t.movie_index),
        array_agg(t.rating ORDER BY t.movie_index),
        array_agg(t.interest ORDER BY t.movie_index)
    INTO rated, given, watched
    FROM unnest(movie_indexes, ratings, interests) AS t (movie_index, rating, interest)
    JOIN embrec.stored_vectors('movie', run.model_run_id, 'rating', movie_indexes) AS e ON e.index = t.movie_index
    WHERE run.serving = 'two_part' OR t.rating IS NOT NULL;
    IF rated IS NULL THEN
        RETURN;
    END IF;
    IF run.serving = 'two_part' THEN
        parts := (
            -- Each movie's part of preference_vector, times the one explained.
            SELECT array_agg(
                coalesce(
                    -(e.embedding <#> movie.embedding)
                    * embrec.interaction_weight(
                        t.rating, t.interest, run.lowest_rating, run.highest_rating, run.rating_power, run.dislike_weight
                    ),
                    0 -- a movie without a profile adds nothing
                )
                ORDER BY t.position
            )
            FROM unnest(rated, given, watched) WITH ORDINALITY AS t (movie_index, rating, interest, position)
            LEFT JOIN embrec.stored_vectors('movie', run.model_run_id, 'profile', rated) AS e ON e.index = t.movie_index
        );
    ELSE
        -- A ridge solution is the sum of the features, each times what it leaves unexplained over the penalty.
        solution := embrec.rating_vector(run.model_run_id, rated, given);
        penalty := run.ridge_constant + run.ridge_per_rating * cardinality(rated);
        rest := run.mean + movie.bias;
        parts := (
            SELECT array_agg(
                (t.rating - run.mean - e.bias + (f.feature <#> solution)) / penalty
                * -(f.feature <#> (movie.embedding || ARRAY[run.bias_feature]::vector))
                ORDER BY t.position
            )
            FROM unnest(rated, given) WITH ORDINALITY AS t (movie_index, rating, position)
            JOIN embrec.stored_vectors('movie', run.model_run_id, 'rating', rated) AS e ON e.index = t.movie_index
            CROSS JOIN LATERAL (SELECT e.embedding || ARRAY[run.bias_feature]::vector AS feature) AS f
        );
    END IF;
    RETURN QUERY
    WITH all_parts AS (
        SELECT t.* FROM unnest(rated, given, watched, parts) AS t (movie_index, rating, interest, part)
        UNION ALL
        SELECT NULL, NULL, NULL, rest WHERE rest IS NOT NULL
    )
    SELECT
        (row_number() OVER (ORDER BY p.movie_index IS NULL DESC, abs(p.part) DESC, m.movie_id COLLATE "C"))::integer AS rank,
        m.movie_id,
        m.title,
        p.rating,
        p.part,
        sum(p.part) OVER (),
        run.model_run_id,
        CASE
            WHEN p.movie_index IS NULL THEN NULL
            WHEN p.part < 0 THEN 'although'
            -- The weight with 1 for a dislike is negative for whatever is a dislike, if a run counts it or not.
            WHEN p.part > 0
                AND embrec.interaction_weight(p.rating, p.interest, run.lowest_rating, run.highest_rating, 1, 1) > 0
            THEN 'because'
        END
    FROM all_parts AS p
    LEFT JOIN embrec.movies AS m ON m.movie_index = p.movie_index
    ORDER BY rank
    LIMIT contributions.n;
END;
$$;
