-- Return the vectors of movies that a run was trained without, from what is known of them (cold start): one row for all
-- movies of which the same is known. The bias of the rating vector is its last coordinate. A part that the run has not is
-- NULL.
--
-- A vector is the product of one of the run's maps (embrec.models.content) and the movie's features: 1, then 0 or 1 for
-- each of content_labels, then its content vector. A movie without content that the run can read has a map by labels
-- alone. A run that was trained before there were maps has vectors_by_description.
CREATE OR REPLACE FUNCTION embrec.described_vectors(model_run_id integer, movies integer[])
RETURNS TABLE (movie_indexes integer[], rating vector, preference vector, profile vector, similarity vector)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    reads_content boolean := embrec.reads_content(model_run_id);
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = described_vectors.model_run_id;
    IF run.content_labels IS NULL THEN
        RETURN QUERY SELECT v.* FROM embrec.vectors_by_description(run.model_run_id, movies) AS v;
        RETURN;
    END IF;
    RETURN QUERY
    WITH maps AS MATERIALIZED (
        SELECT m.matrix, array_agg(m.embedding ORDER BY m.row_number) AS weights
        FROM embrec.run_matrices AS m
        WHERE m.model_run_id = run.model_run_id AND m.matrix ~ '^(genres|content)_'
        GROUP BY m.matrix
    ),
    described AS (
        SELECT
            m.movie_index,
            (
                SELECT array_agg(CASE WHEN l.label = ANY (o.own) THEN 1 ELSE 0 END ORDER BY l.place)
                FROM unnest(run.content_labels) WITH ORDINALITY AS l (label, place)
            ) AS indicators,
            c.embedding AS content
        FROM embrec.movies AS m
        CROSS JOIN LATERAL (
            SELECT ARRAY(SELECT 'genre ' || g.genre FROM unnest(m.genres) AS g (genre)) || ('period ' || m.release_year / 5)
        ) AS o (own)
        LEFT JOIN embrec.movie_content AS c
            ON c.movie_index = m.movie_index AND reads_content AND vector_dims(c.embedding) = run.content_dimensions
        WHERE m.movie_index = ANY (described_vectors.movies)
    ),
    asked AS MATERIALIZED (
        SELECT
            array_agg(d.movie_index ORDER BY d.movie_index) AS movie_indexes,
            CASE WHEN d.content IS NULL THEN 'genres' ELSE 'content' END AS basis,
            CASE
                WHEN d.content IS NULL THEN (ARRAY[1] || d.indicators)::vector
                ELSE (ARRAY[1] || d.indicators)::vector || d.content
            END AS features
        FROM described AS d
        GROUP BY d.indicators, d.content
    )
    SELECT
        a.movie_indexes,
        embrec.mapped((SELECT m.weights FROM maps AS m WHERE m.matrix = a.basis || '_rating'), a.features),
        embrec.mapped((SELECT m.weights FROM maps AS m WHERE m.matrix = a.basis || '_preference'), a.features),
        embrec.mapped((SELECT m.weights FROM maps AS m WHERE m.matrix = a.basis || '_profile'), a.features),
        embrec.mapped((SELECT m.weights FROM maps AS m WHERE m.matrix = a.basis || '_similarity'), a.features)
    FROM asked AS a;
END;
$$;
