-- The n movies of a ranked list that maximal marginal relevance chooses (see ranked_movies), in the order chosen.
CREATE OR REPLACE FUNCTION embrec.diversified(
    model_run_id integer,
    ranked integer[],
    ranked_scores double precision[],
    n integer,
    diversity double precision,
    OUT movies integer[],
    OUT scores double precision[]
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    vectors vector[];
    relevance double precision[];
    nearest double precision[] := array_fill(-1::double precision, ARRAY[cardinality(ranked)]);
    chosen integer;
    lowest double precision := ranked_scores[cardinality(ranked)];
    span double precision := nullif(ranked_scores[1] - lowest, 0);
BEGIN
    SELECT
        array_agg(e.embedding ORDER BY t.position),
        array_agg(coalesce((t.score - lowest) / span, 1) ORDER BY t.position)
    INTO vectors, relevance
    FROM unnest(ranked, ranked_scores) WITH ORDINALITY AS t (movie_index, score, position)
    LEFT JOIN embrec.stored_vectors(
        'movie',
        diversified.model_run_id,
        (SELECT r.movie_similarity FROM embrec.model_runs AS r WHERE r.model_run_id = diversified.model_run_id),
        ranked
    ) AS e ON e.index = t.movie_index;
    FOR number IN 1 .. least(n, cardinality(ranked)) LOOP
        chosen := (
            SELECT t.position
            FROM unnest(relevance, nearest) WITH ORDINALITY AS t (relevance, nearest, position)
            WHERE t.relevance IS NOT NULL
            ORDER BY (1 - diversity) * t.relevance - diversity * t.nearest DESC, t.position
            LIMIT 1
        );
        movies := movies || ranked[chosen];
        scores := scores || ranked_scores[chosen];
        relevance[chosen] := NULL;
        nearest := (
            SELECT array_agg(greatest(t.nearest, coalesce(1 - (t.vector <=> vectors[chosen]), -1)) ORDER BY t.position)
            FROM unnest(vectors, nearest) WITH ORDINALITY AS t (vector, nearest, position)
        );
    END LOOP;
END;
$$;
