-- Return the n best movies for these ratings and interests (of user_interactions), by a run: recommend_movies and
-- recommend_for are made of it. A run of two parts ranks by the product of its ranking vectors, others, which know nothing
-- of events, by the predicted rating; if a run has no fold-in, by the stored vector of a user with ratings. With diversity above 0 the
-- movies are chosen by maximal marginal relevance (Carbonell, Goldstein, SIGIR 1998) among the ten times n best: each next
-- movie has the highest (1 - diversity) * its score, as a share of the candidates' range, - diversity * its cosine with the
-- most similar movie chosen before. If nothing speaks for a movie that the run knows, or it tells nothing about any other,
-- the most popular movies are returned, by movie_likes. Those that resemble what the user dislikes come last, with a
-- negative score. Basis says what the list is made of: 'ratings'; 'history', if events count too; or 'popularity'.
CREATE OR REPLACE FUNCTION embrec.ranked_movies(
    model_run_id integer,
    user_index integer,
    movie_indexes integer[],
    ratings real[],
    interests real[],
    n integer,
    genres text[],
    without_genres text[],
    released_from integer,
    released_to integer,
    min_ratings integer,
    movie_ids text[],
    include_rated boolean,
    diversity double precision
)
RETURNS SETOF embrec.recommended_movie
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    run record;
    user_vector vector;
    base double precision; -- that is added to every score
    excluded integer[] := CASE WHEN include_rated THEN '{}' ELSE coalesce(movie_indexes, '{}') END;
    filtered boolean := num_nonnulls(genres, without_genres, released_from, released_to, min_ratings, movie_ids) > 0;
    wanted bigint := coalesce(CASE WHEN diversity > '0' THEN 10 * n::bigint ELSE n END, 2147483648);
    disliked vector;
    best integer[];
    scores double precision[];
BEGIN
    IF diversity IS NULL OR diversity NOT BETWEEN '0' AND '1' THEN
        RAISE EXCEPTION 'diversity is %; give 0 for the best movies, up to 1 for the most different', diversity
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT
        r.model_run_id, r.serving, r.user_vectors, r.mean, r.bias_feature, r.least_length, r.lowest_rating, r.highest_rating,
        r.rating_power, r.dislike_weight
    INTO run
    FROM embrec.model_runs AS r
    WHERE r.model_run_id = ranked_movies.model_run_id;
    IF run.serving = 'two_part' THEN
        user_vector := embrec.preference_vector(run.model_run_id, movie_indexes, ratings, interests);
    ELSIF run.serving = 'dot_product' AND run.user_vectors = 'fold_in' THEN
        user_vector := embrec.rating_vector(run.model_run_id, movie_indexes, ratings);
        base := run.mean + run.bias_feature * (subvector(user_vector, vector_dims(user_vector), 1)::real[])[1];
        user_vector := subvector(user_vector, 1, vector_dims(user_vector) - 1);
    ELSIF run.serving IN ('dot_product', 'dense_head') AND EXISTS (SELECT FROM unnest(ratings) AS t (rating) WHERE t.rating IS NOT NULL)
    THEN
        SELECT e.embedding, CASE run.serving WHEN 'dot_product' THEN run.mean + e.bias END
        INTO user_vector, base
        FROM embrec.stored_vectors('user', run.model_run_id, 'rating', ARRAY[ranked_movies.user_index]) AS e;
    END IF;
    IF ratings IS NULL OR vector_norm(user_vector) < coalesce(run.least_length, 0) THEN
        user_vector := NULL; -- shorter ones are rounding noise
    END IF;
    IF user_vector IS NULL THEN
        base := NULL;
        disliked := (
            SELECT sum(e.embedding)
            FROM embrec.stored_vectors('movie', run.model_run_id, 'profile', movie_indexes) AS e
            JOIN unnest(movie_indexes, ratings, interests) AS t (movie_index, rating, interest) ON t.movie_index = e.index
            WHERE run.serving = 'two_part' AND embrec.interaction_weight(
                t.rating, t.interest, run.lowest_rating, run.highest_rating, run.rating_power, run.dislike_weight
            ) < 0
        );
        SELECT
            array_agg(c.movie_index ORDER BY c.resembles, c.popularity_rank),
            array_agg(CASE WHEN c.resembles THEN -c.popularity_rank ELSE c.popularity END ORDER BY c.resembles, c.popularity_rank)
        INTO best, scores
        FROM (
            SELECT s.movie_index, s.popularity, s.popularity_rank, near.index IS NOT NULL AS resembles
            FROM embrec.movie_likes AS s
            LEFT JOIN (
                SELECT e.index
                FROM embrec.stored_vectors('movie', run.model_run_id, 'preference', NULL) AS e
                WHERE disliked IS NOT NULL AND 1 - (e.embedding <=> disliked) > 0.2
            ) AS near ON near.index = s.movie_index
            WHERE s.movie_index NOT IN (SELECT unnest(excluded))
                AND (NOT filtered OR s.movie_index IN (
                    SELECT w.movie_index
                    FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings, movie_ids) AS w
                ))
            ORDER BY resembles, popularity_rank
            LIMIT wanted
        ) AS c;
    ELSIF run.serving = 'dense_head' THEN
        SELECT array_agg(c.movie_index ORDER BY c.position), array_agg(c.score ORDER BY c.position)
        INTO best, scores
        FROM (
            SELECT
                d.movie_index,
                d.rating AS score,
                row_number() OVER (ORDER BY d.rating DESC, l.popularity_rank, m.movie_id COLLATE "C") AS position
            FROM embrec.dense_ratings(run.model_run_id, user_vector) AS d
            JOIN embrec.movies AS m ON m.movie_index = d.movie_index
            LEFT JOIN embrec.movie_likes AS l ON l.movie_index = d.movie_index
            WHERE d.movie_index NOT IN (SELECT unnest(excluded))
                AND (NOT filtered OR d.movie_index IN (
                    SELECT w.movie_index
                    FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings, movie_ids) AS w
                ))
            ORDER BY position
            LIMIT wanted
        ) AS c;
    ELSE
        SELECT b.movies, b.scores INTO best, scores
        FROM embrec.best_movies(
            run.model_run_id, false, run.serving <> 'two_part', user_vector, excluded, genres, without_genres, released_from,
            released_to, min_ratings, movie_ids, wanted
        ) AS b;
        -- The users of these movies rated no others, so answer as if there were no ratings.
        IF run.serving = 'two_part' AND scores[1] = '0' THEN
            RETURN QUERY
            SELECT r.*
            FROM embrec.ranked_movies(
                run.model_run_id, ranked_movies.user_index, movie_indexes, NULL, NULL, n, genres, without_genres, released_from,
                released_to, min_ratings, movie_ids, include_rated, diversity
            ) AS r;
            RETURN;
        END IF;
    END IF;
    IF diversity > '0' AND best IS NOT NULL THEN
        SELECT d.movies, d.scores INTO best, scores
        FROM embrec.diversified(run.model_run_id, best, scores, n, diversity) AS d;
    END IF;
    RETURN QUERY
    SELECT t.position::integer, m.movie_id, m.title, coalesce(base, '0') + t.score,
        CASE
            WHEN user_vector IS NULL THEN 'popularity'
            WHEN interests IS NOT NULL AND run.serving = 'two_part' THEN 'history'
            ELSE 'ratings'
        END,
        run.model_run_id
    FROM unnest(best, scores) WITH ORDINALITY AS t (movie_index, score, position)
    JOIN embrec.movies AS m ON m.movie_index = t.movie_index
    ORDER BY t.position;
END;
$$;
