-- Return the highest-scoring movies for a user vector of a part of a run, with their negative score (column lack), best
-- first: the negative product with the user's vector minus the bias. Of equal ones the most popular come first. Filtered says that a filter is given; the filters
-- are those of movies_within. If the part has an index for ranking (embrec.embeddings makes one for 50,000 movies or
-- more), the index is searched until enough are found. Otherwise all movies are scored, and the filters are applied to
-- the best, about 40 for each one wanted. If too few of those pass, or candidates are named, the filters are applied to
-- all.
CREATE OR REPLACE FUNCTION embrec.best_movies(
    model_run_id integer,
    part embrec.part,
    user_vector vector,
    excluded integer[],
    filtered boolean,
    genres text[],
    without_genres text[],
    released_from integer,
    released_to integer,
    min_ratings integer,
    movie_ids text[],
    wanted bigint
)
RETURNS TABLE (movie_index integer, lack double precision)
LANGUAGE plpgsql STABLE -- not parallel: it sets parameters
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET max_parallel_workers_per_gather = 0 -- starting workers takes longer
AS $$
#variable_conflict use_column
DECLARE
    leaf text := format('embrec.movie_embeddings_run_%s_%s', model_run_id, part);
    -- It is computed for every movie, so it is as little as can be: preferences have no biases.
    lack text := CASE part WHEN 'rating' THEN '(e.embedding <#> $1) - coalesce(e.bias, 0)' ELSE 'e.embedding <#> $1' END;
    ranking regclass := to_regclass(leaf || '_ranking');
    before text[];
    found integer[];
    lacks double precision[];
BEGIN
    IF ranking IS NOT NULL AND movie_ids IS NULL AND wanted > 0 THEN
        -- As in nearest_by_index. With so many candidates 99 in 100 of the best ten are found among a hundred thousand.
        before := ARRAY[current_setting('hnsw.ef_search'), current_setting('hnsw.iterative_scan')];
        PERFORM
            set_config('hnsw.ef_search', least(greatest(2 * wanted, 400), 1000)::text, true),
            set_config('hnsw.iterative_scan', 'strict_order', true);
        -- The index is of the vectors made equally long by one more coordinate, which the user's vector has no part in.
        -- OFFSET 0: whether a movie qualifies is asked of each that the index brings, not of all beforehand.
        EXECUTE format(
            'SELECT array_agg(near.movie_index), array_agg(near.lack)'
            ' FROM (SELECT e.movie_index, e.embedding <#> $1 AS lack FROM %s AS e'
            ' WHERE e.movie_index <> ALL ($2) %s ORDER BY %s <#> ($1 || ''[0]''::vector) LIMIT $3) AS near',
            leaf,
            CASE WHEN filtered THEN
                'AND EXISTS (SELECT FROM embrec.movies_within($4, $5, $6, $7, $8) AS w'
                ' WHERE w.movie_index = e.movie_index OFFSET 0)'
            END,
            pg_get_indexdef(ranking, 1, false)
        )
        INTO found, lacks
        USING user_vector, excluded, wanted, genres, without_genres, released_from, released_to, min_ratings;
        PERFORM set_config('hnsw.ef_search', before[1], true), set_config('hnsw.iterative_scan', before[2], true);
    ELSIF movie_ids IS NULL AND wanted > 0
        -- So many that those are few of them; a table that was never analysed has -1.
        AND (CASE WHEN filtered THEN 400 ELSE 100 END) * wanted <= (SELECT c.reltuples FROM pg_class AS c WHERE c.oid = to_regclass(leaf))
    THEN
        -- To sort all takes longer than to compare all. So one in twenty says how good one must be to be among the best: there
        -- are as many at least as good as are wanted. The table is named, for to ask of each row whether it is of this part
        -- takes as long as to compare it.
        EXECUTE format(
            'SELECT array_agg(near.movie_index), array_agg(near.lack)'
            ' FROM (SELECT e.movie_index, %1$s AS lack FROM %2$s AS e WHERE %1$s <= coalesce(('
            'SELECT max(s.lack) FROM (SELECT %1$s AS lack FROM %2$s AS e TABLESAMPLE SYSTEM (5) REPEATABLE (0)'
            ' WHERE e.movie_index <> ALL ($2) ORDER BY 1 LIMIT $3) AS s HAVING count(*) = $3), ''-infinity'')) AS near',
            lack, leaf
        )
        INTO found, lacks
        USING user_vector, excluded, CASE WHEN filtered THEN 2 * wanted ELSE wanted END;
        SELECT array_agg(t.movie_index), array_agg(t.lack) INTO found, lacks
        FROM (
            SELECT u.*
            FROM (
                SELECT * FROM unnest(found, lacks) AS f (movie_index, lack) ORDER BY f.lack OFFSET 0
            ) AS u -- so that filters are asked of the best first
            WHERE u.movie_index NOT IN (SELECT unnest(excluded))
                AND (NOT filtered OR EXISTS (
                    SELECT
                    FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings) AS w
                    WHERE w.movie_index = u.movie_index
                    OFFSET 0
                ))
            ORDER BY u.lack
            FETCH FIRST wanted ROWS WITH TIES
        ) AS t;
    END IF;
    IF coalesce(cardinality(found), 0) < wanted THEN
        EXECUTE format(
            'SELECT array_agg(near.movie_index), array_agg(near.lack)'
            ' FROM (SELECT e.movie_index, %s AS lack FROM %s AS e WHERE e.movie_index <> ALL ($2) %s'
            ' ORDER BY lack FETCH FIRST $3 ROWS WITH TIES) AS near',
            lack,
            leaf,
            CASE WHEN filtered THEN
                -- Not IN alone: it would become a join for which all vectors are sorted first.
                'AND (NOT $10 OR e.movie_index IN (SELECT w.movie_index FROM embrec.movies_within($4, $5, $6, $7, $8, $9) AS w))'
            END
        )
        INTO found, lacks
        USING
            user_vector, excluded, wanted, genres, without_genres, released_from, released_to, min_ratings, movie_ids, filtered;
    END IF;
    RETURN QUERY
    SELECT t.movie_index, t.lack
    FROM unnest(found, lacks) AS t (movie_index, lack)
    JOIN embrec.movies AS m ON m.movie_index = t.movie_index
    LEFT JOIN embrec.movie_likes AS l ON l.movie_index = t.movie_index
    ORDER BY t.lack, l.popularity_rank, m.movie_id COLLATE "C"
    LIMIT wanted;
END;
$$;
