-- Return a digest of all that a run answers by, as training stored it, as SHA-256 in hex: its parameters, the movies'
-- vectors and neighbours, the layers, what comes next. It is on record when the run is trained (guard_runs), and publishing compares. Movies
-- that came later are not included, nor are users, who may be forgotten.
CREATE OR REPLACE FUNCTION embrec.run_digest(run embrec.model_runs)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET extra_float_digits = 1 -- or a session could have the parameters in fewer digits
BEGIN ATOMIC
    WITH parameters AS (
        -- All columns but those that only tell of the training. A column that comes later is NULL in earlier runs, whose
        -- digest stays the same.
        SELECT sha256(convert_to(jsonb_strip_nulls(
            to_jsonb(run) - ARRAY[
                'architecture', 'status', 'options', 'seed', 'library_versions', 'user_count', 'movie_count', 'rating_count',
                'newest_rating_at', 'ratings_sha256', 'metrics', 'history', 'error', 'started_at', 'finished_at',
                'heartbeat_at', 'progress', 'vectors_sha256', 'trained_by', 'event_count', 'events_sha256', 'newest_event_at'
            ]
        )::text, 'UTF8')) AS digest
    ),
    movies AS (
        SELECT string_agg(
            sha256(
                enum_send(e.part) || int4send(e.movie_index) || float4send(coalesce(e.bias, 0)) || float4send(coalesce(e.spread, 0))
                || vector_send(e.embedding)
            ),
            ''::bytea ORDER BY e.part, e.movie_index
        ) AS digests
        FROM embrec.movie_embeddings AS e
        WHERE e.model_run_id = (run).model_run_id AND NOT e.folded_in
    ),
    layers AS (
        SELECT string_agg(
            sha256(convert_to(m.matrix, 'UTF8') || int4send(m.row_number) || float4send(coalesce(m.bias, 0)) || vector_send(m.embedding)),
            ''::bytea ORDER BY m.matrix COLLATE "C", m.row_number
        ) AS digests
        FROM embrec.run_matrices AS m
        WHERE m.model_run_id = (run).model_run_id
    ),
    neighbours AS (
        SELECT string_agg(sha256(int4send(l.movie_index) || array_send(l.neighbours)), ''::bytea ORDER BY l.movie_index) AS digests
        FROM embrec.movie_neighbours AS l
        WHERE l.model_run_id = (run).model_run_id AND l.neighbours IS NOT NULL
    ),
    next AS (
        SELECT string_agg(t.digest, ''::bytea ORDER BY t.kind, t.movie_index, t.channel) AS digests
        FROM (
            SELECT
                1 AS kind,
                n.movie_index,
                n.channel,
                sha256(
                    int4send(n.movie_index) || int2send(n.channel) || array_send(n.next_indexes) || array_send(n.weights)
                    || int4send(coalesce(n.user_count, 0)) || float4send(coalesce(n.transitions, 0))
                ) AS digest
            FROM embrec.next_movies AS n
            WHERE n.model_run_id = (run).model_run_id AND NOT n.folded_in
            UNION ALL
            SELECT 2, v.movie_index, v.channel, sha256(int4send(v.movie_index) || int2send(v.channel) || vector_send(v.embedding))
            FROM embrec.next_vectors AS v
            WHERE v.model_run_id = (run).model_run_id
        ) AS t
    )
    SELECT encode(sha256(
        parameters.digest
        || sha256(coalesce(movies.digests, '')) || sha256(coalesce(layers.digests, '')) || sha256(coalesce(neighbours.digests, ''))
        || CASE WHEN next.digests IS NULL THEN ''::bytea ELSE sha256(next.digests) END
    ), 'hex')
    FROM parameters CROSS JOIN movies CROSS JOIN layers CROSS JOIN neighbours CROSS JOIN next;
END;

CREATE OR REPLACE FUNCTION embrec.run_digest(model_run_id integer)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT embrec.run_digest(r) FROM embrec.model_runs AS r WHERE r.model_run_id = run_digest.model_run_id;
END;
