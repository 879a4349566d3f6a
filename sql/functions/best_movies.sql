-- Return the highest-scoring movies for a user vector of the part that a run ranks by, with their negative score (column
-- lack), best first: the negative product with the user's vector minus the bias. Of equal ones the most popular come
-- first. The filters are those of movies_within.
--
-- Movies are looked at from the longest vector on, a block at a time, and no further once none that is left can be among the
-- best: by the inequality of Cauchy and Schwarz a product is at most the product of the lengths. A bias is one more
-- coordinate (bias_scale). So the answer is exact. pgvector sums n products in single precision; such a sum is off by at most
-- n * 2^-24 times the product of the lengths (Higham, "Accuracy and stability of numerical algorithms", 2002, section 3.1), and
-- the bound allows for four times that. Candidates that are named are all compared.
CREATE OR REPLACE FUNCTION embrec.best_movies(
    model_run_id integer,
    part embrec.part,
    user_vector vector,
    excluded integer[],
    genres text[],
    without_genres text[],
    released_from integer,
    released_to integer,
    min_ratings integer,
    movie_ids text[],
    wanted bigint
)
RETURNS TABLE (movie_index integer, lack double precision)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET max_parallel_workers_per_gather = 0 -- starting workers takes longer
SET jit = off -- as does compiling
AS $$
#variable_conflict use_column
DECLARE
    filtered boolean := num_nonnulls(genres, without_genres, released_from, released_to, min_ratings) > 0;
    asked_bits bigint := CASE WHEN genres IS NOT NULL THEN embrec.genre_bits(genres) END;
    origin double precision := 0;
    scale double precision := 0;
    user_length double precision;
    block bigint;
    above double precision := 'Infinity'; -- movies of this length and longer ones are compared already
    lowest double precision;
    bound double precision; -- shorter ones score less than the last of the best
    enough double precision := 'Infinity'; -- the lack of the last of the best
    found integer[];
    lacks double precision[];
BEGIN
    IF wanted = 0 THEN
        RETURN;
    END IF;
    wanted := coalesce(wanted, 2 ^ 31);
    block := greatest(256, 2 * wanted) * CASE WHEN filtered THEN 2 ELSE 1 END;
    IF part = 'rating' THEN
        SELECT b.* INTO origin, scale FROM embrec.bias_scale(model_run_id) AS b;
    END IF;
    user_length := sqrt(vector_norm(user_vector) ^ 2 + scale ^ 2) * (1 + (vector_dims(user_vector) + 1) * 2.0 ^ -22);
    IF movie_ids IS NOT NULL THEN
        SELECT array_agg(e.movie_index), array_agg((e.embedding <#> user_vector) - coalesce(e.bias, 0)) INTO found, lacks
        FROM (
            SELECT m.movie_index
            FROM (SELECT DISTINCT candidate FROM unnest(movie_ids) AS candidate) AS n
            JOIN embrec.movies AS m ON m.movie_id = n.candidate
        ) AS named -- alone, because a movie's columns have the filters' names
        JOIN embrec.movie_ranking AS e ON e.model_run_id = best_movies.model_run_id AND e.movie_index = named.movie_index
        WHERE e.embedding IS NOT NULL AND e.movie_index NOT IN (SELECT unnest(excluded))
            AND (NOT filtered OR EXISTS (
                SELECT
                FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings) AS w
                WHERE w.movie_index = e.movie_index
                OFFSET 0
            ));
        above := '-Infinity';
    END IF;
    LOOP
        bound := coalesce((-enough - origin) / nullif(user_length, 0), '-Infinity');
        EXIT WHEN bound >= above;
        -- Until there are enough, blocks of so many; then a quarter of the length, because the bound rises meanwhile.
        IF enough = 'Infinity' THEN
            lowest := coalesce((
                SELECT e.length
                FROM embrec.movie_ranking AS e
                WHERE e.model_run_id = best_movies.model_run_id AND e.length < above
                ORDER BY e.length DESC
                OFFSET block - 1
                LIMIT 1
            ), bound);
            block := 4 * block;
        ELSE
            lowest := CASE WHEN bound > 0 THEN greatest(bound, above / 4) ELSE bound END;
        END IF;
        -- In order of lack, so that what is left is asked of the best first. Two statements, because the tables of filters
        -- take longer to open than such a block to compare.
        IF filtered THEN
            SELECT array_agg(t.movie_index), array_agg(t.lack), CASE WHEN count(*) >= wanted THEN max(t.lack) ELSE 'Infinity' END
            INTO found, lacks, enough
            FROM (
                SELECT u.movie_index, u.lack
                FROM (
                    SELECT f.movie_index, f.lack, true AS passed FROM unnest(found, lacks) AS f (movie_index, lack)
                    UNION ALL
                    SELECT c.movie_index, c.lack, false
                    FROM embrec.ranking_block(
                        best_movies.model_run_id, user_vector, above, lowest, asked_bits, released_from, released_to
                    ) AS c
                    WHERE c.lack <= enough
                    ORDER BY lack
                    OFFSET 0
                ) AS u
                WHERE u.movie_index NOT IN (SELECT unnest(excluded))
                    AND (u.passed OR EXISTS (
                        SELECT
                        FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings) AS w
                        WHERE w.movie_index = u.movie_index
                        OFFSET 0
                    ))
                ORDER BY u.lack
                FETCH FIRST wanted ROWS WITH TIES
            ) AS t;
        ELSE
            SELECT array_agg(t.movie_index), array_agg(t.lack), CASE WHEN count(*) >= wanted THEN max(t.lack) ELSE 'Infinity' END
            INTO found, lacks, enough
            FROM (
                SELECT u.movie_index, u.lack
                FROM (
                    SELECT f.movie_index, f.lack FROM unnest(found, lacks) AS f (movie_index, lack)
                    UNION ALL
                    SELECT c.movie_index, c.lack
                    FROM embrec.ranking_block(best_movies.model_run_id, user_vector, above, lowest) AS c
                    WHERE c.lack <= enough
                    ORDER BY lack
                    OFFSET 0
                ) AS u
                WHERE u.movie_index NOT IN (SELECT unnest(excluded))
                ORDER BY u.lack
                FETCH FIRST wanted ROWS WITH TIES
            ) AS t;
        END IF;
        above := lowest;
    END LOOP;
    RETURN QUERY
    SELECT t.movie_index, t.lack
    FROM unnest(found, lacks) AS t (movie_index, lack)
    JOIN embrec.movies AS m ON m.movie_index = t.movie_index
    LEFT JOIN embrec.movie_likes AS l ON l.movie_index = t.movie_index
    ORDER BY t.lack, l.popularity_rank, m.movie_id COLLATE "C"
    LIMIT wanted;
END;
$$;
