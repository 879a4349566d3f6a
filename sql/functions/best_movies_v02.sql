-- The movies whose vectors of a part of a run promise most: lack is what sorts them, the least first, the negative product
-- with the user's vector less the bias. Filtered says whether any filter is given; they are those of movies_within.
-- Where the part has an index for ranking (embrec.embeddings makes one where there are very many movies), that is
-- searched until there are enough; where it gives out, or candidates are named, all are compared.
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
AS $$
#variable_conflict use_column
DECLARE
    leaf text := format('embrec.movie_embeddings_run_%s_%s', model_run_id, part);
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
            'SELECT array_agg(near.movie_index ORDER BY near.lack, near.movie_index),'
            ' array_agg(near.lack ORDER BY near.lack, near.movie_index)'
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
        IF coalesce(cardinality(found), 0) >= wanted THEN
            RETURN QUERY SELECT t.movie_index, t.lack FROM unnest(found, lacks) AS t (movie_index, lack);
            RETURN;
        END IF;
    END IF;
    -- What is sorted by is as little as can be: it is computed for every movie.
    RETURN QUERY
    SELECT e.movie_index, (e.embedding <#> user_vector) - coalesce(e.bias, 0) AS lack
    FROM embrec.movie_embeddings AS e
    WHERE e.model_run_id = best_movies.model_run_id AND e.part = best_movies.part
        AND e.movie_index NOT IN (SELECT unnest(excluded))
        AND (NOT filtered OR e.movie_index IN (
            SELECT w.movie_index
            FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings, movie_ids) AS w
        ))
    ORDER BY lack, e.movie_index
    LIMIT wanted;
END;
$$;
