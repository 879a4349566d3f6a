-- Return the highest-scoring movies for a user vector of the part that a run ranks by (by_rating: its rating vectors), or with
-- next for the vector of a history, best first, and their scores: the product with that vector plus the movie's bias. Of
-- equal ones the most popular come first. The filters are those of movies_within.
--
-- Movies are looked at from the longest vector on, a block at a time, and no further once none that is left can be among the
-- best: by the inequality of Cauchy and Schwarz a product is at most the product of the lengths. A bias is one more
-- coordinate (bias_scale). So the answer is exact. pgvector sums n products in single precision; such a sum is off by at most
-- n * 2^-24 times the product of the lengths (Higham, "Accuracy and stability of numerical algorithms", 2002, section 3.1), and
-- the bound allows for four times that. Candidates that are named are all compared.
--
-- Constants are quoted, so that an operator's operands are of one type: for mixed ones the parser reads dozens of operators
-- and casts from the catalogue, and the first answer of a connection waits for that.
CREATE OR REPLACE FUNCTION embrec.best_movies(
    model_run_id integer,
    next boolean,
    by_rating boolean,
    user_vector vector,
    excluded integer[],
    genres text[],
    without_genres text[],
    released_from integer,
    released_to integer,
    min_ratings integer,
    movie_ids text[],
    wanted bigint,
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
DECLARE
    filtered boolean := num_nonnulls(genres, without_genres, released_from, released_to, min_ratings) > 0;
    asked_bits bigint := CASE WHEN genres IS NOT NULL THEN embrec.genre_bits(genres) END;
    origin double precision;
    scale double precision;
    user_length double precision;
    size bigint;
    above double precision := 'Infinity'; -- movies of this length and longer ones are compared already
    lowest double precision;
    bound double precision; -- shorter ones score less than the last of the best
    enough double precision := '-Infinity'; -- the score of the last of the best
    tied boolean;
BEGIN
    size := (256 + 2 * wanted) * CASE WHEN filtered THEN 2 ELSE 1 END;
    IF by_rating THEN
        SELECT b.* INTO origin, scale FROM embrec.bias_scale(model_run_id) AS b;
    END IF;
    user_length := sqrt(vector_norm(user_vector) ^ '2' + coalesce(scale, '0') ^ '2')
        * ('1' + (vector_dims(user_vector) + 1)::double precision * '2' ^ '-22');
    IF movie_ids IS NOT NULL THEN
        SELECT array_agg(e.movie_index), array_agg(coalesce(e.bias, 0) - (e.embedding <#> user_vector)) INTO movies, scores
        FROM (
            SELECT m.movie_index
            FROM (SELECT DISTINCT candidate FROM unnest(movie_ids) AS candidate) AS n
            JOIN embrec.movies AS m ON m.movie_id = n.candidate
        ) AS named -- alone, because a movie's columns have the filters' names
        JOIN embrec.movie_ranking AS e ON e.model_run_id = best_movies.model_run_id
            AND e.movie_index = named.movie_index AND e.next = best_movies.next
        WHERE e.embedding IS NOT NULL AND e.movie_index NOT IN (SELECT unnest(excluded))
            AND (NOT filtered OR EXISTS (
                SELECT
                FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings) AS w
                WHERE w.movie_index = e.movie_index
                OFFSET 0
            ));
        above := '-Infinity';
        tied := true; -- they are in no order yet
    END IF;
    LOOP
        bound := coalesce((enough - coalesce(origin, '0')) / nullif(user_length, '0'), '-Infinity');
        EXIT WHEN bound >= above;
        -- Until there are enough, blocks of so many; then a quarter of the length, because the bound rises meanwhile.
        IF enough = '-Infinity' THEN
            lowest := coalesce((
                SELECT e.length
                FROM embrec.movie_ranking AS e
                WHERE e.model_run_id = best_movies.model_run_id AND e.next = best_movies.next AND e.length < above
                ORDER BY e.length DESC
                OFFSET size - 1
                LIMIT 1
            ), bound);
            size := 4 * size;
        ELSE
            lowest := CASE WHEN bound > '0' THEN greatest(bound, above / '4') ELSE bound END;
        END IF;
        IF filtered THEN
            SELECT b.* INTO movies, scores, enough, tied
            FROM embrec.next_best(
                model_run_id, next, user_vector, excluded, movies, scores, wanted, enough, above, lowest, asked_bits, genres,
                without_genres, released_from, released_to, min_ratings
            ) AS b;
        ELSE
            SELECT b.* INTO movies, scores, enough, tied
            FROM embrec.next_best(
                model_run_id, next, user_vector, excluded, movies, scores, wanted, enough, above, lowest
            ) AS b;
        END IF;
        above := lowest;
    END LOOP;
    -- Alone, because without ties the tables of movies and counts need not be opened.
    IF tied THEN
        SELECT array_agg(o.movie_index ORDER BY o.place), array_agg(o.score ORDER BY o.place) INTO movies, scores
        FROM (
            SELECT
                t.movie_index,
                t.score,
                row_number() OVER (ORDER BY t.score DESC, c.popularity_rank, m.movie_id COLLATE "C") AS place
            FROM unnest(movies, scores) AS t (movie_index, score)
            JOIN embrec.movies AS m ON m.movie_index = t.movie_index
            LEFT JOIN embrec.movie_counts AS c ON c.movie_index = t.movie_index
            ORDER BY place
            LIMIT wanted
        ) AS o;
    END IF;
END;
$$;
