--
-- PostgreSQL database dump
--

\restrict 9wgPpfEmmhhOC2s2mdO5oseZ4edDmeQsXI5nIsiquJqprvbg2A60IxtLSGOMdaW

-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: embrec; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA embrec;


--
-- Name: vector; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;


--
-- Name: EXTENSION vector; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION vector IS 'vector data type and vector similarity search (created by embrec)';


--
-- Name: contribution; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.contribution AS (
	rank integer,
	movie_id text,
	title text,
	rating real,
	contribution double precision,
	score double precision,
	model_run_id integer
);


--
-- Name: found_movie; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.found_movie AS (
	rank integer,
	movie_id text,
	title text,
	genres text[],
	release_year smallint
);


--
-- Name: genre_count; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.genre_count AS (
	genre text,
	movie_count bigint,
	released_from smallint,
	released_to smallint
);


--
-- Name: mapped_movie; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.mapped_movie AS (
	movie_id text,
	title text,
	genres text[],
	release_year smallint,
	rating_count bigint,
	embedding real[],
	model_run_id integer
);


--
-- Name: movie_detail; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.movie_detail AS (
	movie_id text,
	title text,
	genres text[],
	release_year smallint,
	rating_count bigint,
	mean_rating double precision
);


--
-- Name: part; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.part AS ENUM (
    'rating',
    'preference',
    'profile',
    'similarity'
);


--
-- Name: popular_movie; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.popular_movie AS (
	rank integer,
	movie_id text,
	title text,
	popularity double precision,
	mean_rating double precision,
	rating_count bigint
);


--
-- Name: predicted_rating; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.predicted_rating AS (
	user_id text,
	movie_id text,
	predicted_rating double precision,
	uncertainty double precision,
	model_run_id integer
);


--
-- Name: rated_movie; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.rated_movie AS (
	rank integer,
	movie_id text,
	title text,
	rating real,
	rated_at timestamp with time zone
);


--
-- Name: recommended_movie; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.recommended_movie AS (
	rank integer,
	movie_id text,
	title text,
	score double precision,
	basis text,
	model_run_id integer
);


--
-- Name: similar_movie; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.similar_movie AS (
	rank integer,
	movie_id text,
	title text,
	similarity double precision,
	model_run_id integer
);


--
-- Name: similar_user; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.similar_user AS (
	rank integer,
	user_id text,
	similarity double precision,
	model_run_id integer
);


--
-- Name: trained_run; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.trained_run AS (
	model_run_id integer,
	architecture text,
	published boolean,
	finished_at timestamp with time zone,
	rating_count bigint,
	lowest_rating real,
	highest_rating real,
	metrics jsonb
);


--
-- Name: trending_movie; Type: TYPE; Schema: embrec; Owner: -
--

CREATE TYPE embrec.trending_movie AS (
	rank integer,
	movie_id text,
	title text,
	trend double precision,
	recent_count bigint,
	rating_count bigint
);


--
-- Name: add_rating(text, text, real, timestamp with time zone); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.add_rating(user_id text, movie_id text, rating real, rated_at timestamp with time zone DEFAULT now()) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF num_nulls(add_rating.user_id, add_rating.movie_id, add_rating.rating) > 0 OR '' IN (add_rating.user_id, add_rating.movie_id) THEN
        RAISE EXCEPTION 'add_rating needs a user_id, a movie_id and a rating' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF add_rating.rating IN ('NaN', 'Infinity', '-Infinity') THEN
        RAISE EXCEPTION 'rating is %; give a finite number', add_rating.rating USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO embrec.ratings AS r (user_index, movie_index, rating, rated_at)
    VALUES (
        embrec.user_index_of(add_rating.user_id), embrec.movie_index_of(add_rating.movie_id), add_rating.rating, add_rating.rated_at
    )
    ON CONFLICT ON CONSTRAINT ratings_pkey DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at;
END;
$$;


--
-- Name: add_rating(bigint, bigint, real, timestamp with time zone); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.add_rating(user_id bigint, movie_id bigint, rating real, rated_at timestamp with time zone DEFAULT now()) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT embrec.add_rating((user_id)::text, (movie_id)::text, rating, rated_at) AS add_rating;
END;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: experiments; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.experiments (
    experiment_id integer NOT NULL,
    name text NOT NULL,
    control_run integer NOT NULL,
    treatment_run integer NOT NULL,
    treatment_share double precision NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT experiments_experiments_treatment_share_check_check CHECK (((treatment_share > (0)::double precision) AND (treatment_share < (1)::double precision)))
);


--
-- Name: assign_variant(text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.assign_variant(user_id text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((((hashtextextended(assign_variant.user_id, (e.experiment_id)::bigint))::double precision / ((2)::double precision ^ (64)::double precision)) + (0.5)::double precision) < e.treatment_share) THEN 'treatment'::text
             ELSE 'control'::text
         END AS "case"
    FROM embrec.experiments e
   WHERE ((e.ended_at IS NULL) AND (assign_variant.user_id IS NOT NULL));
END;


--
-- Name: assign_variant(bigint); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.assign_variant(user_id bigint) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT embrec.assign_variant((user_id)::text) AS assign_variant;
END;


--
-- Name: best_movies(integer, embrec.part, public.vector, integer[], boolean, text[], text[], integer, integer, integer, text[], bigint); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.best_movies(model_run_id integer, part embrec.part, user_vector public.vector, excluded integer[], filtered boolean, genres text[], without_genres text[], released_from integer, released_to integer, min_ratings integer, movie_ids text[], wanted bigint) RETURNS TABLE(movie_index integer, lack double precision)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET max_parallel_workers_per_gather TO '0'
    AS $_$
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
    ELSIF movie_ids IS NULL AND wanted > 0
        -- So many that those are few of them; a table that was never analysed has -1.
        AND (CASE WHEN filtered THEN 400 ELSE 100 END) * wanted <= (SELECT c.reltuples FROM pg_class AS c WHERE c.oid = to_regclass(leaf))
    THEN
        -- To sort all takes longer than to compare all. So one in twenty says how good one must be to be among the best: there
        -- are as many at least as good as are wanted. The table is named, for to ask of each row whether it is of this part
        -- takes as long as to compare it.
        EXECUTE format(
            'SELECT array_agg(near.movie_index ORDER BY near.lack, near.movie_index),'
            ' array_agg(near.lack ORDER BY near.lack, near.movie_index)'
            ' FROM (SELECT e.movie_index, %1$s AS lack FROM %2$s AS e WHERE %1$s <= coalesce(('
            'SELECT max(s.lack) FROM (SELECT %1$s AS lack FROM %2$s AS e TABLESAMPLE SYSTEM (5) REPEATABLE (0)'
            ' WHERE e.movie_index <> ALL ($2) ORDER BY 1 LIMIT $3) AS s HAVING count(*) = $3), ''-infinity'')) AS near',
            lack, leaf
        )
        INTO found, lacks
        USING user_vector, excluded, CASE WHEN filtered THEN 2 * wanted ELSE wanted END;
        SELECT array_agg(t.movie_index ORDER BY t.position), array_agg(t.lack ORDER BY t.position) INTO found, lacks
        FROM (
            SELECT u.*
            FROM (
                SELECT * FROM unnest(found, lacks) WITH ORDINALITY AS f (movie_index, lack, position) ORDER BY f.position OFFSET 0
            ) AS u -- so that filters are asked of the best first
            WHERE u.movie_index NOT IN (SELECT unnest(excluded))
                AND (NOT filtered OR EXISTS (
                    SELECT
                    FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings) AS w
                    WHERE w.movie_index = u.movie_index
                    OFFSET 0
                ))
            LIMIT wanted
        ) AS t;
    END IF;
    IF cardinality(found) >= wanted THEN
        RETURN QUERY SELECT t.movie_index, t.lack FROM unnest(found, lacks) AS t (movie_index, lack);
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT e.movie_index, %s AS lack FROM %s AS e WHERE e.movie_index <> ALL ($2) %s ORDER BY lack, e.movie_index LIMIT $3',
        lack,
        leaf,
        CASE WHEN filtered THEN
            -- Not IN alone: it would become a join for which all vectors are sorted first.
            'AND (NOT $10 OR e.movie_index IN (SELECT w.movie_index FROM embrec.movies_within($4, $5, $6, $7, $8, $9) AS w))'
        END
    )
    USING
        user_vector, excluded, wanted, genres, without_genres, released_from, released_to, min_ratings, movie_ids, filtered;
END;
$_$;


--
-- Name: close_run(integer, text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.close_run(model_run_id integer, side text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    parent text := format('embrec.%I', side || '_embeddings');
    run text := format('%s_run_%s', parent, model_run_id);
    part embrec.part;
    leaf text;
    width integer;
BEGIN
    FOREACH part IN ARRAY enum_range(NULL::embrec.part) LOOP
        leaf := format('%s_%s', run, part);
        CONTINUE WHEN to_regclass(leaf) IS NULL;
        EXECUTE format('SELECT vector_dims(embedding) FROM %s LIMIT 1', leaf) INTO width;
        -- The first check lets ATTACH skip its scan.
        EXECUTE format(
            'ALTER TABLE %s ADD PRIMARY KEY (model_run_id, part, %I), ADD CHECK (model_run_id = %s AND part = %L),'
            ' ADD CHECK (vector_dims(embedding) = %s)',
            leaf, side || '_index', model_run_id, part, width
        );
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%L)', run, leaf, part);
        EXECUTE format('ANALYZE %s', leaf);
        IF to_regrole('embrec_trainer') IS NOT NULL THEN
            EXECUTE format('REVOKE INSERT ON %s FROM embrec_trainer', leaf);
        END IF;
    END LOOP;
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%s)', parent, run, model_run_id);
    IF side = 'user' THEN
        -- Whoever is forgotten after this waits for it in forget_user.
        PERFORM pg_advisory_xact_lock(hashtext('embrec.forget_user'));
        DELETE FROM embrec.user_embeddings AS e
        USING embrec.users AS u
        WHERE e.model_run_id = close_run.model_run_id AND e.part = ANY (enum_range(NULL::embrec.part))
            AND e.user_index = u.user_index AND u.forgotten_at IS NOT NULL;
    END IF;
END;
$$;


--
-- Name: contributions(integer, integer[], real[], text, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.contributions(model_run_id integer, movie_indexes integer[], ratings real[], movie_id text, n integer) RETURNS SETOF embrec.contribution
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    rated integer[];
    given real[];
    movie record;
    solution vector;
    penalty double precision;
    parts double precision[];
    rest double precision;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = contributions.model_run_id;
    SELECT e.embedding, e.bias INTO movie
    FROM embrec.movie_embeddings AS e
    WHERE e.model_run_id = run.model_run_id
        AND e.part = CASE WHEN run.rating_power IS NULL THEN 'rating' ELSE 'preference' END::embrec.part
        AND e.movie_index = (SELECT m.movie_index FROM embrec.movies AS m WHERE m.movie_id = contributions.movie_id);
    IF NOT FOUND OR run.mean IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg(t.movie_index ORDER BY t.movie_index), array_agg(t.rating ORDER BY t.movie_index) INTO rated, given
    FROM unnest(movie_indexes, ratings) AS t (movie_index, rating)
    JOIN embrec.movie_embeddings AS e
        ON e.model_run_id = run.model_run_id AND e.part = 'rating' AND e.movie_index = t.movie_index;
    IF rated IS NULL THEN
        RETURN;
    END IF;
    IF run.rating_power IS NOT NULL THEN
        parts := (
            SELECT array_agg(
                -(embrec.preference_vector(run.model_run_id, ARRAY[t.movie_index], ARRAY[t.rating]) <#> movie.embedding)
                ORDER BY t.position
            )
            FROM unnest(rated, given) WITH ORDINALITY AS t (movie_index, rating, position)
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
            JOIN embrec.movie_embeddings AS e
                ON e.model_run_id = run.model_run_id AND e.part = 'rating' AND e.movie_index = t.movie_index
            CROSS JOIN LATERAL (SELECT e.embedding || ARRAY[run.bias_feature]::vector AS feature) AS f
        );
    END IF;
    RETURN QUERY
    WITH all_parts AS (
        SELECT t.movie_index, t.rating, t.part FROM unnest(rated, given, parts) AS t (movie_index, rating, part)
        UNION ALL
        SELECT NULL, NULL, rest WHERE rest IS NOT NULL
    )
    SELECT
        (row_number() OVER (ORDER BY p.movie_index IS NULL DESC, abs(p.part) DESC, p.movie_index))::integer AS rank,
        m.movie_id,
        m.title,
        p.rating,
        p.part,
        sum(p.part) OVER (),
        run.model_run_id
    FROM all_parts AS p
    LEFT JOIN embrec.movies AS m ON m.movie_index = p.movie_index
    ORDER BY rank
    LIMIT contributions.n;
END;
$$;


--
-- Name: dense_ratings(integer, public.vector, integer[]); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.dense_ratings(model_run_id integer, user_vector public.vector, movie_indexes integer[] DEFAULT NULL::integer[]) RETURNS TABLE(movie_index integer, rating double precision)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    user_values real[] := dense_ratings.user_vector::real[];
    dimensions integer := vector_dims(dense_ratings.user_vector);
    hidden vector[];
    biases real[];
    head record;
BEGIN
    IF dense_ratings.user_vector IS NULL THEN
        RETURN;
    END IF;
    -- The user's part of each unit, once for all movies.
    SELECT array_agg(u.weights ORDER BY u.unit), array_agg(u.bias ORDER BY u.unit) INTO hidden, biases
    FROM (
        SELECT
            x.row_number / dimensions AS unit,
            sum(x.embedding * array_fill(user_values[x.row_number % dimensions + 1], ARRAY[dimensions])::vector) AS weights,
            sum(x.bias) AS bias
        FROM embrec.run_matrices AS x
        WHERE x.model_run_id = dense_ratings.model_run_id AND x.matrix = 'hidden'
        GROUP BY unit
    ) AS u;
    SELECT x.embedding::real[] AS weights, x.bias INTO head
    FROM embrec.run_matrices AS x
    WHERE x.model_run_id = dense_ratings.model_run_id AND x.matrix = 'rating';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        e.movie_index,
        head.bias + (
            SELECT sum(t.weight * greatest(t.bias - (t.hidden <#> e.embedding), 0))
            FROM unnest(hidden, biases, head.weights) AS t (hidden, bias, weight)
        )
    FROM embrec.movie_embeddings AS e
    WHERE e.model_run_id = dense_ratings.model_run_id AND e.part = 'rating'
        AND (dense_ratings.movie_indexes IS NULL OR e.movie_index = ANY (dense_ratings.movie_indexes));
END;
$$;


--
-- Name: diversified(integer, integer[], double precision[], integer, double precision); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.diversified(model_run_id integer, ranked integer[], ranked_scores double precision[], n integer, diversity double precision, OUT movies integer[], OUT scores double precision[]) RETURNS record
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
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
    LEFT JOIN embrec.movie_embeddings AS e
        ON e.model_run_id = diversified.model_run_id
        AND e.part = (SELECT r.movie_similarity FROM embrec.model_runs AS r WHERE r.model_run_id = diversified.model_run_id)
        AND e.movie_index = t.movie_index;
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


--
-- Name: previewed_run(); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.previewed_run() RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $_$
DECLARE
    chosen text := current_setting('embrec.model_run_id', true);
    found integer;
BEGIN
    IF coalesce(chosen, '') = '' THEN
        RETURN NULL;
    END IF;
    SELECT r.model_run_id INTO found
    FROM embrec.model_runs AS r
    WHERE r.model_run_id = CASE WHEN chosen ~ '^[0-9]{1,9}$' THEN chosen::integer END AND r.status = 'trained';
    IF found IS NULL THEN
        RAISE EXCEPTION 'embrec.model_run_id is %, and no trained run has that number; see embrec.trained_runs(), or RESET embrec.model_run_id', chosen
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN found;
END;
$_$;


--
-- Name: model_runs; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.model_runs (
    model_run_id integer NOT NULL,
    architecture text NOT NULL,
    status text DEFAULT 'training'::text NOT NULL,
    options jsonb NOT NULL,
    seed bigint NOT NULL,
    library_versions jsonb NOT NULL,
    user_count integer NOT NULL,
    movie_count integer NOT NULL,
    rating_count bigint NOT NULL,
    newest_rating_at timestamp with time zone,
    ratings_sha256 text NOT NULL,
    dimensions smallint,
    mean real,
    movie_similarity embrec.part DEFAULT 'rating'::embrec.part NOT NULL,
    user_similarity embrec.part DEFAULT 'rating'::embrec.part NOT NULL,
    parameters json DEFAULT '{}'::json NOT NULL,
    metrics jsonb DEFAULT '{}'::jsonb NOT NULL,
    history jsonb DEFAULT '[]'::jsonb NOT NULL,
    error text,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    lowest_rating real,
    highest_rating real,
    rating_power real,
    bias_feature real,
    ridge_constant real,
    ridge_per_rating real,
    user_spread real,
    movie_spread real,
    heartbeat_at timestamp with time zone DEFAULT now() NOT NULL,
    vectors_sha256 text,
    progress real,
    CONSTRAINT model_runs_model_runs_status_check_check CHECK ((status = ANY (ARRAY['training'::text, 'trained'::text, 'failed'::text, 'deleted'::text])))
);


--
-- Name: publications; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.publications (
    publication_id integer NOT NULL,
    model_run_id integer NOT NULL,
    action text NOT NULL,
    published_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT publications_publications_action_check_check CHECK ((action = ANY (ARRAY['publish'::text, 'rollback'::text])))
);


--
-- Name: published_run; Type: VIEW; Schema: embrec; Owner: -
--

CREATE VIEW embrec.published_run AS
 SELECT p.model_run_id,
    p.published_at,
    r.movie_similarity,
    r.user_similarity
   FROM (( SELECT publications.publication_id,
            publications.model_run_id,
            publications.action,
            publications.published_at
           FROM embrec.publications
          ORDER BY publications.publication_id DESC
         LIMIT 1) p
     JOIN embrec.model_runs r ON ((r.model_run_id = p.model_run_id)));


--
-- Name: answering_run; Type: VIEW; Schema: embrec; Owner: -
--

CREATE VIEW embrec.answering_run AS
 SELECT model_run_id,
    movie_similarity,
    user_similarity
   FROM embrec.model_runs r
  WHERE (model_run_id = ( SELECT COALESCE(embrec.previewed_run(), ( SELECT p.model_run_id
                   FROM embrec.published_run p)) AS "coalesce"));


--
-- Name: movies; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movies (
    movie_index integer NOT NULL,
    movie_id text NOT NULL,
    title text,
    genres text[] DEFAULT '{}'::text[] NOT NULL,
    release_year smallint
);


--
-- Name: explain_for(jsonb, text, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.explain_for(ratings jsonb, movie_id text, n integer DEFAULT 10) RETURNS SETOF embrec.contribution
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT c.rank,
     c.movie_id,
     c.title,
     c.rating,
     c.contribution,
     c.score,
     c.model_run_id
    FROM (( SELECT array_agg(m.movie_index) AS movies,
             array_agg((given.rating)::real) AS ratings
            FROM (jsonb_each(explain_for.ratings) given(movie_id, rating)
              JOIN embrec.movies m ON ((m.movie_id = given.movie_id)))) own
      CROSS JOIN LATERAL embrec.contributions(( SELECT a.model_run_id
            FROM embrec.answering_run a), own.movies, own.ratings, explain_for.movie_id, explain_for.n) c(rank, movie_id, title, rating, contribution, score, model_run_id));
END;


--
-- Name: explain_for(jsonb, bigint, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.explain_for(ratings jsonb, movie_id bigint, n integer DEFAULT 10) RETURNS SETOF embrec.contribution
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT explain_for.rank,
     explain_for.movie_id,
     explain_for.title,
     explain_for.rating,
     explain_for.contribution,
     explain_for.score,
     explain_for.model_run_id
    FROM embrec.explain_for(explain_for.ratings, (explain_for.movie_id)::text, explain_for.n) explain_for(rank, movie_id, title, rating, contribution, score, model_run_id);
END;


--
-- Name: serving_run(text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.serving_run(user_id text) RETURNS integer
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT COALESCE(embrec.previewed_run(), ( SELECT
                 CASE embrec.assign_variant(serving_run.user_id)
                     WHEN 'control'::text THEN e.control_run
                     WHEN 'treatment'::text THEN e.treatment_run
                     ELSE NULL::integer
                 END AS "case"
            FROM embrec.experiments e
           WHERE (e.ended_at IS NULL)), ( SELECT p.model_run_id
            FROM embrec.published_run p)) AS "coalesce";
END;


--
-- Name: ratings; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.ratings (
    user_index integer NOT NULL,
    movie_index integer NOT NULL,
    rating real NOT NULL,
    rated_at timestamp with time zone,
    CONSTRAINT ratings_ratings_rated_at_check_check CHECK (isfinite(rated_at)),
    CONSTRAINT ratings_ratings_rating_check_check CHECK (((rating > '-Infinity'::real) AND (rating < 'Infinity'::real)))
);


--
-- Name: users; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.users (
    user_index integer NOT NULL,
    user_id text NOT NULL,
    forgotten_at timestamp with time zone,
    labels text[]
);


--
-- Name: explain_recommendation(text, text, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.explain_recommendation(user_id text, movie_id text, n integer DEFAULT 10) RETURNS SETOF embrec.contribution
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT c.rank,
     c.movie_id,
     c.title,
     c.rating,
     c.contribution,
     c.score,
     c.model_run_id
    FROM (( SELECT array_agg(r.movie_index) AS movies,
             array_agg(r.rating) AS ratings
            FROM embrec.ratings r
           WHERE (r.user_index = ( SELECT u.user_index
                    FROM embrec.users u
                   WHERE (u.user_id = explain_recommendation.user_id)))) own
      CROSS JOIN LATERAL embrec.contributions(embrec.serving_run(explain_recommendation.user_id), own.movies, own.ratings, explain_recommendation.movie_id, explain_recommendation.n) c(rank, movie_id, title, rating, contribution, score, model_run_id));
END;


--
-- Name: explain_recommendation(bigint, bigint, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.explain_recommendation(user_id bigint, movie_id bigint, n integer DEFAULT 10) RETURNS SETOF embrec.contribution
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT explain_recommendation.rank,
     explain_recommendation.movie_id,
     explain_recommendation.title,
     explain_recommendation.rating,
     explain_recommendation.contribution,
     explain_recommendation.score,
     explain_recommendation.model_run_id
    FROM embrec.explain_recommendation((explain_recommendation.user_id)::text, (explain_recommendation.movie_id)::text, explain_recommendation.n) explain_recommendation(rank, movie_id, title, rating, contribution, score, model_run_id);
END;


--
-- Name: find_movies(text, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.find_movies(query text, n integer DEFAULT 10) RETURNS SETOF embrec.found_movie
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 WITH wanted AS (
          SELECT folded.query,
             array_remove(regexp_split_to_array(folded.query, '[^[:alnum:]\u0080-\U0010ffff]+'::text), ''::text) AS words
            FROM ( SELECT regexp_replace(lower(NORMALIZE(TRIM(BOTH FROM find_movies.query), NFKD)), '[\u0300-\u036f]'::text, ''::text, 'g'::text) AS query) folded
         ), candidates AS (
          SELECT m.movie_index,
             m.movie_id,
             m.title,
             m.genres,
             m.release_year,
             regexp_replace(lower(NORMALIZE(COALESCE(m.title, ''::text), NFKD)), '[\u0300-\u036f]'::text, ''::text, 'g'::text) AS folded_title
            FROM embrec.movies m
         )
  SELECT (row_number() OVER (ORDER BY (c.folded_title = w.query) DESC, (starts_with(c.folded_title, w.query)) DESC, (length(c.title)), c.movie_index))::integer AS rank,
     c.movie_id,
     c.title,
     c.genres,
     c.release_year
    FROM (candidates c
      CROSS JOIN wanted w)
   WHERE ((cardinality(w.words) > 0) AND (NOT (EXISTS ( SELECT
            FROM unnest(w.words) word(word)
           WHERE (strpos(c.folded_title, word.word) = 0)))))
   ORDER BY ((row_number() OVER (ORDER BY (c.folded_title = w.query) DESC, (starts_with(c.folded_title, w.query)) DESC, (length(c.title)), c.movie_index))::integer)
  LIMIT find_movies.n;
END;


--
-- Name: folded_in_movie(integer, integer, integer[], real[]); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.folded_in_movie(model_run_id integer, movie_index integer, user_indexes integer[], ratings real[]) RETURNS TABLE(part embrec.part, bias real, embedding public.vector)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    near integer[];
    weights double precision[];
    prior vector;
    solved vector;
    width integer;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = folded_in_movie.model_run_id;
    SELECT array_agg(l.near_index), array_agg(l.weight) INTO near, weights
    FROM embrec.movies_like(run.model_run_id, folded_in_movie.movie_index) AS l;
    prior := embrec.mean_movie(run.model_run_id, 'rating', near, weights);
    width := vector_dims(prior) - 1;
    solved := coalesce(embrec.solved_movie_rating(run.model_run_id, prior, user_indexes, ratings), prior);
    RETURN QUERY SELECT 'rating'::embrec.part, (subvector(solved, width + 1, 1)::real[])[1], subvector(solved, 1, width);
    IF run.rating_power IS NULL THEN
        RETURN;
    END IF;
    solved := embrec.solved_movie_preference(run.model_run_id, user_indexes, ratings);
    IF solved IS NULL THEN
        solved := subvector(embrec.mean_movie(run.model_run_id, 'preference', near, weights), 1, width)
            * array_fill(0.1::real, ARRAY[width])::vector;
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
    RETURN QUERY SELECT 'preference'::embrec.part, NULL::real, solved;
    RETURN QUERY
    SELECT 'profile'::embrec.part, NULL::real, solved * array_fill((
        SELECT avg(vector_norm(p.embedding)) / avg(vector_norm(e.embedding))
        FROM embrec.movie_embeddings AS p
        JOIN embrec.movie_embeddings AS e USING (model_run_id, movie_index)
        WHERE p.model_run_id = run.model_run_id AND p.part = 'profile' AND e.part = 'preference'
            AND p.movie_index = ANY (near)
    )::real, ARRAY[width])::vector;
    RETURN QUERY
    SELECT 'similarity'::embrec.part, NULL::real, subvector(embrec.mean_movie(run.model_run_id, 'similarity', near, weights), 1, width);
END;
$$;


--
-- Name: follow_ratings(); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.follow_ratings() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    columns text[] := ARRAY(SELECT unnest(TG_ARGV));
    before_users text[] := '{}';
    before_movies text[] := '{}';
    users text[] := '{}';
    movies text[] := '{}';
    ratings real[] := '{}';
    times timestamptz[] := '{}';
BEGIN
    IF TG_LEVEL <> 'STATEMENT' OR TG_WHEN <> 'AFTER' OR TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'embrec.follow_ratings is made a trigger by embrec.follow_table(table, columns...)'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF TG_OP <> 'INSERT' THEN
        EXECUTE format(
            'SELECT coalesce(array_agg(user_id), ''{}''), coalesce(array_agg(movie_id), ''{}'') FROM (%s) AS r',
            embrec.ratings_of_table(TG_RELID, columns, 'before_rows')
        ) INTO before_users, before_movies;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        EXECUTE format(
            'SELECT coalesce(array_agg(user_id), ''{}''), coalesce(array_agg(movie_id), ''{}''),'
            ' coalesce(array_agg(rating), ''{}''), coalesce(array_agg(rated_at), ''{}'') FROM (%s) AS r',
            embrec.ratings_of_table(TG_RELID, columns, 'after_rows')
        ) INTO users, movies, ratings, times;
    END IF;
    PERFORM embrec.user_index_of(n.user_id) FROM (SELECT DISTINCT unnest(users) AS user_id) AS n;
    PERFORM embrec.movie_index_of(n.movie_id) FROM (SELECT DISTINCT unnest(movies) AS movie_id) AS n;
    DELETE FROM embrec.ratings AS r
    USING (
        SELECT * FROM unnest(before_users, before_movies) AS b (user_id, movie_id)
        EXCEPT
        SELECT * FROM unnest(users, movies) AS n (user_id, movie_id)
    ) AS gone
    JOIN embrec.users AS u ON u.user_id = gone.user_id
    JOIN embrec.movies AS m ON m.movie_id = gone.movie_id
    WHERE r.user_index = u.user_index AND r.movie_index = m.movie_index;
    INSERT INTO embrec.ratings AS r (user_index, movie_index, rating, rated_at)
    SELECT u.user_index, m.movie_index, n.rating, n.rated_at
    FROM unnest(users, movies, ratings, times) AS n (user_id, movie_id, rating, rated_at)
    JOIN embrec.users AS u ON u.user_id = n.user_id
    JOIN embrec.movies AS m ON m.movie_id = n.movie_id
    ON CONFLICT ON CONSTRAINT ratings_pkey DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at
    WHERE (r.rating, r.rated_at) IS DISTINCT FROM (excluded.rating, excluded.rated_at);
    RETURN NULL;
EXCEPTION
    WHEN invalid_parameter_value THEN
        RAISE;
    WHEN OTHERS THEN
        RAISE WARNING 'embrec did not take these changes of %: %. To take them later: embrec load --from-table', TG_RELID::regclass, SQLERRM;
        RETURN NULL;
END;
$$;


--
-- Name: follow_table(regclass, text, text, text, text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.follow_table(source regclass, user_column text, movie_column text, rating_column text, time_column text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    columns text[] := array_remove(
        ARRAY[follow_table.user_column, follow_table.movie_column, follow_table.rating_column, follow_table.time_column], NULL
    );
    arguments text := (SELECT string_agg(quote_literal(name), ', ' ORDER BY place) FROM unnest(columns) WITH ORDINALITY AS c (name, place));
    event text;
    referencing text;
BEGIN
    IF num_nulls(follow_table.source, follow_table.user_column, follow_table.movie_column, follow_table.rating_column) > 0 THEN
        RAISE EXCEPTION 'follow_table needs a table and the names of its columns of the user, the movie and the rating'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM embrec.ratings_of_table(follow_table.source, columns, 'after_rows'); -- what is wrong with a column is said now
    FOREACH event IN ARRAY ARRAY['insert', 'update', 'delete'] LOOP
        referencing := concat_ws(
            ' ',
            CASE WHEN event <> 'insert' THEN 'OLD TABLE AS before_rows' END,
            CASE WHEN event <> 'delete' THEN 'NEW TABLE AS after_rows' END
        );
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER embrec_%s AFTER %1$s ON %s REFERENCING %s FOR EACH STATEMENT EXECUTE FUNCTION embrec.follow_ratings(%s)',
            event, follow_table.source, referencing, arguments
        );
    END LOOP;
END;
$_$;


--
-- Name: forget_user(text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.forget_user(user_id text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    own integer;
    run integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('embrec.forget_user'));
    UPDATE embrec.users AS u
    SET user_id = 'forgotten ' || gen_random_uuid(), forgotten_at = now(), labels = NULL
    WHERE u.user_id = forget_user.user_id
    RETURNING u.user_index INTO own;
    IF own IS NOT NULL THEN
        DELETE FROM embrec.ratings AS r WHERE r.user_index = own;
        FOR run IN SELECT r.model_run_id FROM embrec.model_runs AS r LOOP
            -- By the key of one run and part after the other.
            DELETE FROM embrec.user_embeddings AS e
            WHERE e.model_run_id = run AND e.part = ANY (enum_range(NULL::embrec.part)) AND e.user_index = own;
        END LOOP;
    END IF;
    -- Who is in an experiment need not have rated.
    DELETE FROM embrec.outcomes AS o WHERE o.user_id = forget_user.user_id;
    DELETE FROM embrec.exposures AS e WHERE e.user_id = forget_user.user_id;
    RETURN own IS NOT NULL OR FOUND;
END;
$$;


--
-- Name: forget_user(bigint); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.forget_user(user_id bigint) RETURNS boolean
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT embrec.forget_user((user_id)::text) AS forget_user;
END;


--
-- Name: has_index(text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.has_index(side text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT (to_regclass(format('embrec.%s_embeddings_run_%s_%s_hnsw'::text, has_index.side, p.model_run_id,
         CASE has_index.side
             WHEN 'user'::text THEN p.user_similarity
             ELSE p.movie_similarity
         END)) IS NOT NULL)
    FROM embrec.answering_run p;
END;


--
-- Name: index_ranking(integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.index_ranking(model_run_id integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    name text := format('movie_embeddings_run_%s_preference', model_run_id);
    width integer;
    longest double precision;
BEGIN
    EXECUTE format('SELECT max(vector_dims(embedding)), max(vector_norm(embedding) ^ 2) FROM embrec.%I', name)
    INTO width, longest;
    -- A movie that is folded in later may be longer still, and is found all the same.
    EXECUTE format(
        'CREATE INDEX IF NOT EXISTS %I ON embrec.%I USING hnsw'
        ' (((embedding || ARRAY[sqrt(greatest(%L - vector_norm(embedding) ^ 2, 0))]::vector)::vector(%s)) vector_ip_ops)',
        name || '_ranking', name, longest, width + 1
    );
END;
$$;


--
-- Name: index_run(integer, text, embrec.part); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.index_run(model_run_id integer, side text, part embrec.part) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    name text := format('%s_embeddings_run_%s_%s', side, model_run_id, part);
    width integer;
BEGIN
    EXECUTE format('SELECT vector_dims(embedding) FROM embrec.%I LIMIT 1', name) INTO width;
    EXECUTE format(
        'CREATE INDEX IF NOT EXISTS %I ON embrec.%I USING hnsw ((l2_normalize(embedding)::halfvec(%s)) halfvec_cosine_ops)'
        '%s',
        name || '_hnsw', name, width, CASE side WHEN 'movie' THEN ' WITH (m = 24, ef_construction = 200)' END
    );
END;
$$;


--
-- Name: known_genres(); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.known_genres() RETURNS SETOF embrec.genre_count
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT g.genre,
     count(*) AS movie_count,
     min(m.release_year) AS min,
     max(m.release_year) AS max
    FROM (embrec.movies m
      CROSS JOIN LATERAL unnest(m.genres) g(genre))
   GROUP BY g.genre
   ORDER BY (count(*)) DESC, g.genre;
END;


--
-- Name: movie_embeddings; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_embeddings (
    model_run_id integer NOT NULL,
    part embrec.part NOT NULL,
    movie_index integer NOT NULL,
    bias real,
    embedding public.vector NOT NULL,
    folded_in boolean DEFAULT false NOT NULL,
    spread real
)
PARTITION BY LIST (model_run_id);


--
-- Name: user_embeddings; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.user_embeddings (
    model_run_id integer NOT NULL,
    part embrec.part NOT NULL,
    user_index integer NOT NULL,
    bias real,
    embedding public.vector NOT NULL,
    fingerprint bigint,
    spread real
)
PARTITION BY LIST (model_run_id);


--
-- Name: known_id(text, text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.known_id(side text, id text, OUT known boolean, OUT published integer, OUT has_vector boolean) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 WITH asked AS (
          SELECT
                 CASE known_id.side
                     WHEN 'user'::text THEN ( SELECT u.user_index
                        FROM embrec.users u
                       WHERE (u.user_id = known_id.id))
                     WHEN 'movie'::text THEN ( SELECT m.movie_index
                        FROM embrec.movies m
                       WHERE (m.movie_id = known_id.id))
                     ELSE NULL::integer
                 END AS index,
             ( SELECT a.model_run_id
                    FROM embrec.answering_run a) AS run
         )
  SELECT (asked.index IS NOT NULL),
     asked.run,
         CASE known_id.side
             WHEN 'user'::text THEN (EXISTS ( SELECT
                FROM embrec.user_embeddings e
               WHERE ((e.model_run_id = ( SELECT a.model_run_id
                        FROM embrec.answering_run a)) AND (e.part = ( SELECT a.user_similarity
                        FROM embrec.answering_run a)) AND (e.user_index = asked.index))))
             WHEN 'movie'::text THEN (EXISTS ( SELECT
                FROM embrec.movie_embeddings e
               WHERE ((e.model_run_id = ( SELECT a.model_run_id
                        FROM embrec.answering_run a)) AND (e.part = ( SELECT a.movie_similarity
                        FROM embrec.answering_run a)) AND (e.movie_index = asked.index))))
             ELSE NULL::boolean
         END AS "case"
    FROM asked;
END;


--
-- Name: movie_statistics; Type: MATERIALIZED VIEW; Schema: embrec; Owner: -
--

CREATE MATERIALIZED VIEW embrec.movie_statistics AS
 WITH overall AS (
         SELECT avg(r.rating) AS mean,
            ((count(*))::double precision / (GREATEST(count(DISTINCT r.movie_index), (1)::bigint))::double precision) AS weight
           FROM embrec.ratings r
        ), each_movie AS (
         SELECT r.movie_index,
            count(*) AS rating_count,
            sum((r.rating)::double precision) AS total
           FROM embrec.ratings r
          GROUP BY r.movie_index
        )
 SELECT m.movie_index,
    COALESCE(e.rating_count, (0)::bigint) AS rating_count,
    (e.total / (e.rating_count)::double precision) AS mean_rating,
    ((COALESCE(e.total, (0)::double precision) + (o.weight * o.mean)) / ((COALESCE(e.rating_count, (0)::bigint))::double precision + o.weight)) AS popularity
   FROM ((embrec.movies m
     CROSS JOIN overall o)
     LEFT JOIN each_movie e ON ((e.movie_index = m.movie_index)))
  WITH NO DATA;


--
-- Name: map_movies(integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.map_movies(n integer DEFAULT 3000) RETURNS SETOF embrec.mapped_movie
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT m.movie_id,
     m.title,
     m.genres,
     m.release_year,
     COALESCE(s.rating_count, (0)::bigint) AS rating_count,
     (e.embedding)::real[] AS embedding,
     e.model_run_id
    FROM ((embrec.movie_embeddings e
      JOIN embrec.movies m ON ((m.movie_index = e.movie_index)))
      LEFT JOIN embrec.movie_statistics s ON ((s.movie_index = e.movie_index)))
   WHERE ((e.model_run_id = ( SELECT a.model_run_id
            FROM embrec.answering_run a)) AND (e.part = ( SELECT a.movie_similarity
            FROM embrec.answering_run a)))
   ORDER BY COALESCE(s.rating_count, (0)::bigint) DESC, e.movie_index
  LIMIT map_movies.n;
END;


--
-- Name: mean_movie(integer, embrec.part, integer[], double precision[]); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.mean_movie(model_run_id integer, part embrec.part, movie_indexes integer[], weights double precision[]) RETURNS public.vector
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT public.sum(((e.embedding OPERATOR(public.||) (ARRAY[COALESCE(e.bias, (0)::real)])::public.vector) OPERATOR(public.*) (array_fill(((t.weight / s.total))::real, ARRAY[(public.vector_dims(e.embedding) + 1)]))::public.vector)) AS sum
    FROM ((UNNEST(mean_movie.movie_indexes, mean_movie.weights) t(movie_index, weight)
      CROSS JOIN ( SELECT sum(w.w) AS total
            FROM unnest(mean_movie.weights) w(w)) s)
      JOIN embrec.movie_embeddings e ON (((e.model_run_id = mean_movie.model_run_id) AND (e.part = mean_movie.part) AND (e.movie_index = t.movie_index))));
END;


--
-- Name: movie_details(text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.movie_details(movie_id text) RETURNS SETOF embrec.movie_detail
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT m.movie_id,
     m.title,
     m.genres,
     m.release_year,
     COALESCE(s.rating_count, (0)::bigint) AS "coalesce",
     s.mean_rating
    FROM (embrec.movies m
      LEFT JOIN embrec.movie_statistics s ON ((s.movie_index = m.movie_index)))
   WHERE (m.movie_id = movie_details.movie_id);
END;


--
-- Name: movie_details(bigint); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.movie_details(movie_id bigint) RETURNS SETOF embrec.movie_detail
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT movie_details.movie_id,
     movie_details.title,
     movie_details.genres,
     movie_details.release_year,
     movie_details.rating_count,
     movie_details.mean_rating
    FROM embrec.movie_details((movie_details.movie_id)::text) movie_details(movie_id, title, genres, release_year, rating_count, mean_rating);
END;


--
-- Name: movie_index_of(text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.movie_index_of(movie_id text) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    found integer := (SELECT m.movie_index FROM embrec.movies AS m WHERE m.movie_id = movie_index_of.movie_id);
BEGIN
    IF found IS NULL THEN
        LOCK TABLE embrec.users, embrec.movies IN SHARE ROW EXCLUSIVE MODE;
        INSERT INTO embrec.movies (movie_index, movie_id)
        SELECT coalesce(max(m.movie_index) + 1, 0), movie_index_of.movie_id FROM embrec.movies AS m
        ON CONFLICT DO NOTHING;
        found := (SELECT m.movie_index FROM embrec.movies AS m WHERE m.movie_id = movie_index_of.movie_id);
    END IF;
    RETURN found;
END;
$$;


--
-- Name: movie_named(text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.movie_named(name text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT m.movie_id
    FROM embrec.movies m
   WHERE ((m.movie_id = movie_named.name) OR (lower(m.title) = lower(movie_named.name)))
   ORDER BY (m.movie_id = movie_named.name) DESC, m.movie_index
  LIMIT 1;
END;


--
-- Name: movies_like(integer, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.movies_like(model_run_id integer, movie_index integer) RETURNS TABLE(near_index integer, weight double precision)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 WITH candidates AS (
          SELECT m.movie_index,
             COALESCE(( SELECT ((count(*) FILTER (WHERE (g.genre = ANY (q.genres))))::double precision / (NULLIF((cardinality(q.genres) + count(*) FILTER (WHERE (g.genre <> ALL (q.genres)))), 0))::double precision)
                    FROM unnest(m.genres) g(genre)), (0)::double precision) AS jaccard,
             exp((((- abs(COALESCE(((m.release_year - q.release_year))::integer, 0))))::numeric / 5.0)) AS closeness
            FROM ((embrec.movies q
              CROSS JOIN embrec.movies m)
              JOIN embrec.movie_embeddings e ON (((e.model_run_id = movies_like.model_run_id) AND (e.part = 'rating'::embrec.part) AND (e.movie_index = m.movie_index))))
           WHERE ((q.movie_index = movies_like.movie_index) AND (m.movie_index <> q.movie_index) AND (NOT e.folded_in))
         ), weighted AS (
          SELECT c.movie_index,
             (((c.jaccard ^ (2)::double precision) + (0.000001)::double precision) * (c.closeness)::double precision) AS weight
            FROM candidates c
         )
  SELECT w.movie_index,
     w.weight
    FROM weighted w
   ORDER BY w.weight DESC, w.movie_index
  LIMIT 50;
END;


--
-- Name: movies_within(text[], text[], integer, integer, integer, text[]); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.movies_within(genres text[] DEFAULT NULL::text[], without_genres text[] DEFAULT NULL::text[], released_from integer DEFAULT NULL::integer, released_to integer DEFAULT NULL::integer, min_ratings integer DEFAULT NULL::integer, movie_ids text[] DEFAULT NULL::text[]) RETURNS TABLE(movie_index integer)
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT m.movie_index
    FROM embrec.movies m
   WHERE (((movies_within.released_from IS NULL) OR (m.release_year >= movies_within.released_from)) AND ((movies_within.released_to IS NULL) OR (m.release_year <= movies_within.released_to)) AND ((movies_within.min_ratings IS NULL) OR (EXISTS ( SELECT
            FROM embrec.movie_statistics s
           WHERE ((s.movie_index = m.movie_index) AND (s.rating_count >= movies_within.min_ratings))))) AND ((movies_within.movie_ids IS NULL) OR (m.movie_id IN ( SELECT candidate.candidate
            FROM unnest(movies_within.movie_ids) candidate(candidate)))) AND ((movies_within.genres IS NULL) OR (m.genres && movies_within.genres)) AND ((movies_within.without_genres IS NULL) OR (NOT (m.genres && movies_within.without_genres))));
END;


--
-- Name: nearest_by_index(text, integer, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.nearest_by_index(side text, own_index integer, n integer) RETURNS TABLE(near_index integer, distance double precision)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $_$
DECLARE
    run record;
    leaf text;
    key text;
    own vector;
    before text[];
    found integer[];
    distances double precision[];
BEGIN
    SELECT p.model_run_id, CASE side WHEN 'user' THEN p.user_similarity ELSE p.movie_similarity END AS part INTO run
    FROM embrec.answering_run AS p;
    leaf := format('embrec.%s_embeddings_run_%s_%s', side, run.model_run_id, run.part);
    EXECUTE format('SELECT embedding FROM %s WHERE model_run_id = $1 AND part = $2 AND %I = $3', leaf, side || '_index')
    INTO own USING run.model_run_id, run.part, own_index;
    IF own IS NULL OR n <= 0 THEN
        RETURN;
    END IF;
    SELECT format('%s <=> l2_normalize($1)::%s', pg_get_indexdef(a.attrelid, 1, false), format_type(a.atttypid, a.atttypmod)) INTO key
    FROM pg_attribute AS a
    WHERE a.attrelid = to_regclass(leaf || '_hnsw') AND a.attnum = 1;
    -- Set here, not by the function's clauses: these settings exist only once pgvector is loaded, as it is by now. With so
    -- many candidates 99 in 100 of the nearest ten are found, among a million users too; the scan goes on where more are wanted.
    before := ARRAY[current_setting('hnsw.ef_search'), current_setting('hnsw.iterative_scan')];
    PERFORM
        set_config('hnsw.ef_search', least(greatest(2 * n::bigint, CASE side WHEN 'user' THEN 50 ELSE 80 END), 1000)::text, true),
        set_config('hnsw.iterative_scan', 'strict_order', true);
    EXECUTE format(
        'SELECT array_agg(near.found ORDER BY near.distance, near.found), array_agg(near.distance ORDER BY near.distance, near.found)'
        ' FROM (SELECT %1$I AS found, embedding <=> $1 AS distance FROM %2$s ORDER BY %3$s LIMIT $2) AS near WHERE near.found <> $3',
        side || '_index', leaf, coalesce(key, 'embedding <=> $1') -- NULL where the index came after the statement began
    ) INTO found, distances USING own, 2 * n::bigint + 1, own_index;
    PERFORM set_config('hnsw.ef_search', before[1], true), set_config('hnsw.iterative_scan', before[2], true);
    IF coalesce(cardinality(found), 0) >= n THEN
        RETURN QUERY SELECT t.found, t.distance FROM unnest(found, distances) AS t (found, distance) LIMIT n;
    ELSE
        RETURN QUERY EXECUTE format(
            'SELECT %1$I, embedding <=> $1 FROM %2$s WHERE %1$I <> $3 ORDER BY 2, 1 LIMIT $2', side || '_index', leaf
        ) USING own, n, own_index;
    END IF;
END;
$_$;


--
-- Name: open_run(integer, text, embrec.part[]); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.open_run(model_run_id integer, side text, parts embrec.part[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    parent text := format('embrec.%I', side || '_embeddings');
    run text := format('%s_run_%s', parent, model_run_id);
    part embrec.part;
    leaf text;
BEGIN
    IF NOT EXISTS (SELECT FROM embrec.model_runs AS r WHERE r.model_run_id = open_run.model_run_id AND r.status = 'training') THEN
        RAISE EXCEPTION 'model run % is not training, so it gets no vectors', model_run_id
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('CREATE TABLE %s (LIKE %s) PARTITION BY LIST (part)', run, parent);
    EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (model_run_id, part, %I)', run, side || '_index');
    FOREACH part IN ARRAY parts LOOP
        leaf := format('%s_%s', run, part);
        EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING DEFAULTS)', leaf, parent);
        -- So that they need not be sent.
        EXECUTE format('ALTER TABLE %s ALTER model_run_id SET DEFAULT %s, ALTER part SET DEFAULT %L', leaf, model_run_id, part);
        IF to_regrole('embrec_trainer') IS NOT NULL THEN
            EXECUTE format('GRANT SELECT, INSERT ON %s TO embrec_trainer', leaf);
        END IF;
        IF to_regrole('embrec_reader') IS NOT NULL THEN
            EXECUTE format('GRANT SELECT ON %s TO embrec_reader', leaf);
        END IF;
    END LOOP;
END;
$$;


--
-- Name: popular_movies(integer, text[], text[], integer, integer, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.popular_movies(n integer DEFAULT 10, genres text[] DEFAULT NULL::text[], without_genres text[] DEFAULT NULL::text[], released_from integer DEFAULT NULL::integer, released_to integer DEFAULT NULL::integer, min_ratings integer DEFAULT NULL::integer) RETURNS SETOF embrec.popular_movie
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT (row_number() OVER (ORDER BY c.popularity DESC, c.movie_index))::integer AS rank,
     m.movie_id,
     m.title,
     c.popularity,
     c.mean_rating,
     c.rating_count
    FROM (( SELECT s.movie_index,
             s.popularity,
             s.mean_rating,
             s.rating_count
            FROM embrec.movie_statistics s
           WHERE ((s.rating_count > 0) AND ((num_nonnulls(popular_movies.genres, popular_movies.without_genres, popular_movies.released_from, popular_movies.released_to, popular_movies.min_ratings) = 0) OR (EXISTS ( SELECT
                    FROM embrec.movies_within(popular_movies.genres, popular_movies.without_genres, popular_movies.released_from, popular_movies.released_to, popular_movies.min_ratings) w(movie_index)
                   WHERE (w.movie_index = s.movie_index)))))
           ORDER BY s.popularity DESC, s.movie_index
          LIMIT popular_movies.n) c
      JOIN embrec.movies m ON ((m.movie_index = c.movie_index)))
   ORDER BY ((row_number() OVER (ORDER BY c.popularity DESC, c.movie_index))::integer);
END;


--
-- Name: predict_rating(text, text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.predict_rating(user_id text, movie_id text) RETURNS double precision
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    found_user integer := (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = predict_rating.user_id);
    run embrec.model_runs;
    movie record;
    user_vector vector;
    predicted double precision;
BEGIN
    IF found_user IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = embrec.serving_run(predict_rating.user_id);
    SELECT e.movie_index, e.embedding, e.bias INTO movie
    FROM embrec.movie_embeddings AS e
    WHERE e.model_run_id = run.model_run_id AND e.part = 'rating'
        AND e.movie_index = (SELECT m.movie_index FROM embrec.movies AS m WHERE m.movie_id = predict_rating.movie_id);
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    user_vector := embrec.user_rating_vector(run.model_run_id, found_user);
    IF run.mean IS NULL THEN
        predicted := (
            SELECT d.rating
            FROM embrec.dense_ratings(
                run.model_run_id, subvector(user_vector, 1, vector_dims(user_vector) - 1), ARRAY[movie.movie_index]
            ) AS d
        );
    ELSE
        predicted := run.mean + movie.bias
            - coalesce(user_vector <#> (movie.embedding || ARRAY[coalesce(run.bias_feature, 1)]::vector), 0);
    END IF;
    RETURN CASE
        WHEN predicted IS NULL THEN NULL
        ELSE greatest(least(predicted, run.highest_rating), run.lowest_rating)
    END;
END;
$$;


--
-- Name: predict_rating(bigint, bigint); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.predict_rating(user_id bigint, movie_id bigint) RETURNS double precision
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT embrec.predict_rating((user_id)::text, (movie_id)::text) AS predict_rating;
END;


--
-- Name: user_rating_vector(integer, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.user_rating_vector(model_run_id integer, user_index integer) RETURNS public.vector
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    feature real;
    stored record;
BEGIN
    SELECT r.bias_feature INTO feature FROM embrec.model_runs AS r WHERE r.model_run_id = user_rating_vector.model_run_id;
    SELECT e.embedding, e.bias, e.fingerprint INTO stored
    FROM embrec.user_embeddings AS e
    WHERE e.model_run_id = user_rating_vector.model_run_id AND e.part = 'rating'
        AND e.user_index = user_rating_vector.user_index;
    -- A run that cannot solve for a user has nothing better than what it stored.
    IF FOUND AND (feature IS NULL OR stored.fingerprint = embrec.ratings_fingerprint(user_rating_vector.user_index)) THEN
        RETURN stored.embedding || ARRAY[coalesce(stored.bias, 0) / coalesce(feature, 1)]::vector;
    END IF;
    RETURN (
        SELECT embrec.rating_vector(user_rating_vector.model_run_id, array_agg(r.movie_index), array_agg(r.rating))
        FROM embrec.ratings AS r
        WHERE r.user_index = user_rating_vector.user_index
    );
END;
$$;


--
-- Name: predict_ratings(text[], text[]); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.predict_ratings(user_ids text[], movie_ids text[]) RETURNS SETOF embrec.predicted_rating
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET plan_cache_mode TO 'force_custom_plan'
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 WITH run AS (
          SELECT r.model_run_id,
             r.mean,
             r.lowest_rating,
             r.highest_rating,
             r.user_spread,
             r.movie_spread,
             COALESCE(r.bias_feature, (1)::real) AS feature
            FROM embrec.model_runs r
           WHERE (r.model_run_id = ( SELECT p.model_run_id
                    FROM embrec.answering_run p))
         ), stored AS NOT MATERIALIZED (
          SELECT e.user_index,
             e.embedding,
             e.bias,
             e.spread
            FROM embrec.user_embeddings e
           WHERE ((e.model_run_id = ( SELECT run_1.model_run_id
                    FROM run run_1)) AND (e.part = 'rating'::embrec.part))
         ), movie AS NOT MATERIALIZED (
          SELECT e.movie_index,
             e.embedding,
             e.bias,
             e.spread
            FROM embrec.movie_embeddings e
           WHERE ((e.model_run_id = ( SELECT run_1.model_run_id
                    FROM run run_1)) AND (e.part = 'rating'::embrec.part))
         ), pairs AS MATERIALIZED (
          SELECT u.user_index,
             u.user_id,
             m.movie_index,
             m.movie_id,
             (s.user_index IS NOT NULL) AS is_stored,
             (((run_1.mean + s.bias) + movie.bias) - (s.embedding OPERATOR(public.<#>) movie.embedding)) AS value,
             ((COALESCE(s.spread, run_1.user_spread))::double precision * COALESCE(movie.spread, run_1.movie_spread)) AS uncertainty
            FROM (((((run run_1
              CROSS JOIN UNNEST(predict_ratings.user_ids, predict_ratings.movie_ids) asked(user_id, movie_id))
              JOIN embrec.users u ON ((u.user_id = asked.user_id)))
              JOIN embrec.movies m ON ((m.movie_id = asked.movie_id)))
              JOIN movie ON ((movie.movie_index = m.movie_index)))
              LEFT JOIN stored s ON ((s.user_index = u.user_index)))
         ), solved AS MATERIALIZED (
          SELECT other.user_index,
             embrec.user_rating_vector(run_1.model_run_id, other.user_index) AS vector
            FROM (run run_1
              CROSS JOIN ( SELECT DISTINCT pairs.user_index
                    FROM pairs
                   WHERE (NOT pairs.is_stored)) other)
         ), predicted AS (
          SELECT pairs.user_id,
             pairs.movie_id,
             pairs.value,
             pairs.uncertainty
            FROM pairs
           WHERE (pairs.value IS NOT NULL)
         UNION ALL
          SELECT pairs.user_id,
             pairs.movie_id,
             ((run_1.mean + movie.bias) - COALESCE((s.vector OPERATOR(public.<#>) (movie.embedding OPERATOR(public.||) (ARRAY[run_1.feature])::public.vector)), (0)::double precision)),
             pairs.uncertainty
            FROM (((run run_1
              CROSS JOIN pairs)
              JOIN solved s ON ((s.user_index = pairs.user_index)))
              JOIN movie ON ((movie.movie_index = pairs.movie_index)))
           WHERE ((NOT pairs.is_stored) AND (run_1.mean IS NOT NULL))
         UNION ALL
          SELECT pairs.user_id,
             pairs.movie_id,
             dense.rating,
             pairs.uncertainty
            FROM ((((run run_1
              CROSS JOIN ( SELECT p.user_index,
                     array_agg(p.movie_index) AS movies
                    FROM pairs p
                   GROUP BY p.user_index) grouped)
              JOIN stored s ON ((s.user_index = grouped.user_index)))
              CROSS JOIN LATERAL embrec.dense_ratings(run_1.model_run_id, s.embedding, grouped.movies) dense(movie_index, rating))
              JOIN pairs ON (((pairs.user_index = grouped.user_index) AND (pairs.movie_index = dense.movie_index))))
           WHERE (run_1.mean IS NULL)
         )
  SELECT predicted.user_id,
     predicted.movie_id,
     GREATEST(LEAST(predicted.value, (run.highest_rating)::double precision), (run.lowest_rating)::double precision) AS "greatest",
     predicted.uncertainty,
     run.model_run_id
    FROM (run
      CROSS JOIN predicted);
END;


--
-- Name: preference_vector(integer, integer[], real[]); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.preference_vector(model_run_id integer, movie_indexes integer[], ratings real[]) RETURNS public.vector
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
BEGIN
    SELECT * INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = preference_vector.model_run_id;
    RETURN (
        WITH sums AS (
            SELECT t.rating, sum(e.embedding) AS profiles
            FROM unnest(preference_vector.movie_indexes, preference_vector.ratings) AS t (movie_index, rating)
            JOIN embrec.movie_embeddings AS e
                ON e.model_run_id = run.model_run_id AND e.part = 'profile' AND e.movie_index = t.movie_index
            GROUP BY t.rating
        ),
        weighted AS (
            SELECT s.profiles, embrec.rating_weight(s.rating, run.lowest_rating, run.highest_rating, run.rating_power) AS weight
            FROM sums AS s
        )
        SELECT sum(w.profiles * array_fill(w.weight::real, ARRAY[vector_dims(w.profiles)])::vector) FROM weighted AS w
    );
END;
$$;


--
-- Name: ranked_movies(integer, integer, integer[], real[], integer, text[], text[], integer, integer, integer, text[], boolean, double precision); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.ranked_movies(model_run_id integer, user_index integer, movie_indexes integer[], ratings real[], n integer, genres text[], without_genres text[], released_from integer, released_to integer, min_ratings integer, movie_ids text[], include_rated boolean, diversity double precision) RETURNS SETOF embrec.recommended_movie
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    ranked_part embrec.part := 'rating';
    user_vector vector;
    base double precision := 0;
    excluded integer[] := CASE WHEN include_rated THEN '{}' ELSE coalesce(movie_indexes, '{}') END;
    filtered boolean := num_nonnulls(genres, without_genres, released_from, released_to, min_ratings, movie_ids) > 0;
    wanted bigint := CASE WHEN diversity > 0 THEN 10 * n::bigint ELSE n END;
    basis text := 'ratings';
    best integer[];
    scores double precision[];
BEGIN
    IF diversity IS NULL OR diversity NOT BETWEEN 0 AND 1 THEN
        RAISE EXCEPTION 'diversity is %; give 0 for the best movies, up to 1 for the most different', diversity
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = ranked_movies.model_run_id;
    IF run.rating_power IS NOT NULL THEN
        ranked_part := 'preference';
        user_vector := embrec.preference_vector(run.model_run_id, movie_indexes, ratings);
    ELSIF run.mean IS NOT NULL THEN
        user_vector := embrec.rating_vector(run.model_run_id, movie_indexes, ratings);
        base := run.mean + run.bias_feature * (subvector(user_vector, vector_dims(user_vector), 1)::real[])[1];
        user_vector := subvector(user_vector, 1, vector_dims(user_vector) - 1);
    ELSIF movie_indexes IS NOT NULL THEN
        user_vector := (
            SELECT e.embedding
            FROM embrec.user_embeddings AS e
            WHERE e.model_run_id = run.model_run_id AND e.part = 'rating' AND e.user_index = ranked_movies.user_index
        );
    END IF;
    IF user_vector IS NULL THEN
        basis := 'popularity';
        SELECT array_agg(c.movie_index ORDER BY c.score DESC, c.movie_index), array_agg(c.score ORDER BY c.score DESC, c.movie_index)
        INTO best, scores
        FROM (
            SELECT s.movie_index, s.popularity AS score
            FROM embrec.movie_statistics AS s
            WHERE s.rating_count > 0
                AND s.movie_index NOT IN (SELECT unnest(excluded))
                AND (NOT filtered OR s.movie_index IN (
                    SELECT w.movie_index
                    FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings, movie_ids) AS w
                ))
            ORDER BY score DESC, s.movie_index
            LIMIT wanted
        ) AS c;
    ELSIF run.mean IS NULL THEN
        SELECT array_agg(c.movie_index ORDER BY c.score DESC, c.movie_index), array_agg(c.score ORDER BY c.score DESC, c.movie_index)
        INTO best, scores
        FROM (
            SELECT d.movie_index, d.rating AS score
            FROM embrec.dense_ratings(run.model_run_id, user_vector) AS d
            WHERE d.movie_index NOT IN (SELECT unnest(excluded))
                AND (NOT filtered OR d.movie_index IN (
                    SELECT w.movie_index
                    FROM embrec.movies_within(genres, without_genres, released_from, released_to, min_ratings, movie_ids) AS w
                ))
            ORDER BY score DESC, d.movie_index
            LIMIT wanted
        ) AS c;
    ELSE
        SELECT array_agg(c.movie_index ORDER BY c.lack, c.movie_index), array_agg(base - c.lack ORDER BY c.lack, c.movie_index)
        INTO best, scores
        FROM embrec.best_movies(
            run.model_run_id, ranked_part, user_vector, excluded, filtered, genres, without_genres, released_from,
            released_to, min_ratings, movie_ids, wanted
        ) AS c;
    END IF;
    IF diversity > 0 AND best IS NOT NULL THEN
        SELECT d.movies, d.scores INTO best, scores
        FROM embrec.diversified(run.model_run_id, best, scores, n, diversity) AS d;
    END IF;
    RETURN QUERY
    SELECT t.position::integer, m.movie_id, m.title, t.score, basis, run.model_run_id
    FROM unnest(best, scores) WITH ORDINALITY AS t (movie_index, score, position)
    JOIN embrec.movies AS m ON m.movie_index = t.movie_index
    ORDER BY t.position;
END;
$$;


--
-- Name: rating_uncertainty(text, text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.rating_uncertainty(user_id text, movie_id text) RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 WITH run AS (
          SELECT r.model_run_id,
             r.user_spread,
             r.movie_spread
            FROM embrec.model_runs r
           WHERE (r.model_run_id = embrec.serving_run(rating_uncertainty.user_id))
         )
  SELECT ((COALESCE(stored.spread, run.user_spread))::double precision * COALESCE(movie.spread, run.movie_spread))
    FROM ((((run
      JOIN embrec.users u ON ((u.user_id = rating_uncertainty.user_id)))
      JOIN embrec.movies m ON ((m.movie_id = rating_uncertainty.movie_id)))
      JOIN embrec.movie_embeddings movie ON (((movie.model_run_id = ( SELECT run_1.model_run_id
            FROM run run_1)) AND (movie.part = 'rating'::embrec.part) AND (movie.movie_index = m.movie_index))))
      LEFT JOIN embrec.user_embeddings stored ON (((stored.model_run_id = ( SELECT run_1.model_run_id
            FROM run run_1)) AND (stored.part = 'rating'::embrec.part) AND (stored.user_index = u.user_index))));
END;


--
-- Name: rating_uncertainty(bigint, bigint); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.rating_uncertainty(user_id bigint, movie_id bigint) RETURNS double precision
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT embrec.rating_uncertainty((user_id)::text, (movie_id)::text) AS rating_uncertainty;
END;


--
-- Name: rating_vector(integer, integer[], real[]); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.rating_vector(model_run_id integer, movie_indexes integer[], ratings real[]) RETURNS public.vector
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    features vector[];
    moment vector;
    penalty real;
BEGIN
    SELECT * INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = rating_vector.model_run_id;
    IF run.bias_feature IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT
        array_agg(f.feature),
        sum(f.feature * array_fill((t.rating - run.mean - e.bias)::real, ARRAY[vector_dims(f.feature)])::vector)
    INTO features, moment
    FROM unnest(rating_vector.movie_indexes, rating_vector.ratings) AS t (movie_index, rating)
    JOIN embrec.movie_embeddings AS e
        ON e.model_run_id = run.model_run_id AND e.part = 'rating' AND e.movie_index = t.movie_index
    CROSS JOIN LATERAL (SELECT e.embedding || ARRAY[run.bias_feature]::vector AS feature) AS f;
    IF features IS NULL THEN
        RETURN NULL;
    END IF;
    penalty := run.ridge_constant + run.ridge_per_rating * cardinality(features);
    RETURN embrec.ridge(features, moment, array_fill(penalty, ARRAY[vector_dims(moment)])::vector);
END;
$$;


--
-- Name: rating_weight(real, real, real, real); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.rating_weight(rating real, lowest_rating real, highest_rating real, rating_power real) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT (((0.2)::double precision + ((0.8)::double precision *
         CASE
             WHEN (highest_rating > lowest_rating) THEN (((GREATEST(LEAST(rating, highest_rating), lowest_rating))::double precision - lowest_rating) / ((highest_rating)::double precision - lowest_rating))
             ELSE (1)::double precision
         END)) ^ (rating_power)::double precision);
END;


--
-- Name: ratings_fingerprint(integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.ratings_fingerprint(user_index integer) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT bit_xor((((((r.movie_index)::bigint * '2654435761'::bigint) & (2147483647)::bigint) + 1) * ((((GREATEST(LEAST(round(((r.rating)::double precision * (65536)::double precision)), (1073741824)::double precision), ('-1073741824'::integer)::double precision))::bigint * '2246822519'::bigint) & (2147483647)::bigint) + 1))) AS bit_xor
    FROM embrec.ratings r
   WHERE (r.user_index = ratings_fingerprint.user_index);
END;


--
-- Name: ratings_of_table(regclass, text[], text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.ratings_of_table(source regclass, columns text[], rows_of text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    ids text := 'text,character varying,character,name,uuid,smallint,integer,bigint';
    numbers text := 'smallint,integer,bigint,numeric,real,double precision';
    times text := 'timestamp with time zone,timestamp without time zone,date';
    kinds text[];
    kind text;
    rated_at text := 'NULL::timestamptz';
    in_time text := 'true';
BEGIN
    IF cardinality(columns) NOT IN (3, 4) OR array_position(columns, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'give the names of the columns of the user, the movie, the rating and, where there is one, the time'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR place IN 1 .. cardinality(columns) LOOP
        kind := (
            SELECT format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL) -- with its schema, but for PostgreSQL's own
            FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
            WHERE a.attrelid = source AND a.attname = columns[place] AND a.attnum > 0 AND NOT a.attisdropped
        );
        IF kind IS NULL THEN
            RAISE EXCEPTION '% has no column %', source, columns[place] USING ERRCODE = 'undefined_column';
        END IF;
        IF kind <> ALL (string_to_array((ARRAY[ids, ids, numbers, times || ',' || numbers])[place], ',')) THEN
            RAISE EXCEPTION 'column % of % is of type %, and % is %', columns[place], source, kind,
                (ARRAY['a user', 'a movie', 'a rating', 'a time'])[place],
                (ARRAY['text or a whole number', 'text or a whole number', 'a number', 'a timestamp, a date, or seconds since 1970'])[place]
                USING ERRCODE = 'datatype_mismatch';
        END IF;
        kinds := kinds || kind;
    END LOOP;
    IF kinds[4] = 'timestamp with time zone' THEN
        rated_at := format('s.%I', columns[4]);
    ELSIF kinds[4] = ANY (string_to_array(times, ',')) THEN
        rated_at := format('s.%I::timestamp AT TIME ZONE ''UTC''', columns[4]);
    ELSIF kinds[4] IS NOT NULL THEN
        rated_at := format('to_timestamp(s.%I)', columns[4]);
        in_time := format('(s.%1$I IS NULL OR s.%1$I >= -2208988800 AND s.%1$I < 4102444800)', columns[4]);
    END IF;
    IF kinds[4] = ANY (string_to_array(times, ',')) THEN
        in_time := format(
            '(s.%I IS NULL OR %s >= ''1900-01-01 00:00+00'' AND %2$s < ''2100-01-01 00:00+00'')', columns[4], rated_at
        );
    END IF;
    RETURN format(
        'SELECT DISTINCT ON (user_id, movie_id) s.%1$I::text AS user_id, s.%2$I::text AS movie_id,'
        ' (CASE WHEN abs(s.%3$I) < 1e-37 THEN 0 ELSE s.%3$I END)::real AS rating, %4$s AS rated_at'
        ' FROM %5$I AS s'
        ' WHERE s.%1$I::text <> '''' AND octet_length(s.%1$I::text) <= 500'
        ' AND s.%2$I::text <> '''' AND octet_length(s.%2$I::text) <= 500'
        ' AND s.%3$I BETWEEN -3.4e38 AND 3.4e38 AND %6$s'
        ' ORDER BY user_id, movie_id, rated_at DESC NULLS LAST, rating DESC',
        columns[1], columns[2], columns[3], rated_at, rows_of, in_time
    );
END;
$_$;


--
-- Name: recommend_for(jsonb, integer, text[], text[], integer, integer, integer, text[], boolean, double precision); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.recommend_for(ratings jsonb, n integer DEFAULT 10, genres text[] DEFAULT NULL::text[], without_genres text[] DEFAULT NULL::text[], released_from integer DEFAULT NULL::integer, released_to integer DEFAULT NULL::integer, min_ratings integer DEFAULT NULL::integer, movie_ids text[] DEFAULT NULL::text[], include_rated boolean DEFAULT false, diversity double precision DEFAULT 0) RETURNS SETOF embrec.recommended_movie
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT ranked.rank,
     ranked.movie_id,
     ranked.title,
     ranked.score,
     ranked.basis,
     ranked.model_run_id
    FROM (( SELECT array_agg(m.movie_index) AS movies,
             array_agg((given.rating)::real) AS ratings
            FROM (jsonb_each(recommend_for.ratings) given(movie_id, rating)
              JOIN embrec.movies m ON ((m.movie_id = given.movie_id)))) own
      CROSS JOIN LATERAL embrec.ranked_movies(( SELECT p.model_run_id
            FROM embrec.answering_run p), NULL::integer, own.movies, own.ratings, recommend_for.n, recommend_for.genres, recommend_for.without_genres, recommend_for.released_from, recommend_for.released_to, recommend_for.min_ratings, recommend_for.movie_ids, recommend_for.include_rated, recommend_for.diversity) ranked(rank, movie_id, title, score, basis, model_run_id));
END;


--
-- Name: recommend_movies(text, integer, text[], text[], integer, integer, integer, text[], boolean, double precision); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.recommend_movies(user_id text, n integer DEFAULT 10, genres text[] DEFAULT NULL::text[], without_genres text[] DEFAULT NULL::text[], released_from integer DEFAULT NULL::integer, released_to integer DEFAULT NULL::integer, min_ratings integer DEFAULT NULL::integer, movie_ids text[] DEFAULT NULL::text[], include_rated boolean DEFAULT false, diversity double precision DEFAULT 0) RETURNS SETOF embrec.recommended_movie
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT ranked.rank,
     ranked.movie_id,
     ranked.title,
     ranked.score,
     ranked.basis,
     ranked.model_run_id
    FROM (( SELECT min(r.user_index) AS user_index,
             array_agg(r.movie_index) AS movies,
             array_agg(r.rating) AS ratings
            FROM embrec.ratings r
           WHERE (r.user_index = ( SELECT u.user_index
                    FROM embrec.users u
                   WHERE (u.user_id = recommend_movies.user_id)))) own
      CROSS JOIN LATERAL embrec.ranked_movies(embrec.serving_run(recommend_movies.user_id), own.user_index, own.movies, own.ratings, recommend_movies.n, recommend_movies.genres, recommend_movies.without_genres, recommend_movies.released_from, recommend_movies.released_to, recommend_movies.min_ratings, recommend_movies.movie_ids, recommend_movies.include_rated, recommend_movies.diversity) ranked(rank, movie_id, title, score, basis, model_run_id));
END;


--
-- Name: recommend_movies(bigint, integer, text[], text[], integer, integer, integer, text[], boolean, double precision); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.recommend_movies(user_id bigint, n integer DEFAULT 10, genres text[] DEFAULT NULL::text[], without_genres text[] DEFAULT NULL::text[], released_from integer DEFAULT NULL::integer, released_to integer DEFAULT NULL::integer, min_ratings integer DEFAULT NULL::integer, movie_ids text[] DEFAULT NULL::text[], include_rated boolean DEFAULT false, diversity double precision DEFAULT 0) RETURNS SETOF embrec.recommended_movie
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT recommend_movies.rank,
     recommend_movies.movie_id,
     recommend_movies.title,
     recommend_movies.score,
     recommend_movies.basis,
     recommend_movies.model_run_id
    FROM embrec.recommend_movies((recommend_movies.user_id)::text, recommend_movies.n, recommend_movies.genres, recommend_movies.without_genres, recommend_movies.released_from, recommend_movies.released_to, recommend_movies.min_ratings, recommend_movies.movie_ids, recommend_movies.include_rated, recommend_movies.diversity) recommend_movies(rank, movie_id, title, score, basis, model_run_id);
END;


--
-- Name: exposures; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.exposures (
    experiment_id integer NOT NULL,
    user_id text NOT NULL,
    variant text NOT NULL,
    model_run_id integer NOT NULL,
    exposed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT exposures_exposures_variant_check_check CHECK ((variant = ANY (ARRAY['control'::text, 'treatment'::text])))
);


--
-- Name: record_exposure(text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.record_exposure(user_id text) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO embrec.exposures (experiment_id, user_id, variant, model_run_id)  SELECT e.experiment_id,
             record_exposure.user_id AS user_id,
             assigned.variant,
                 CASE assigned.variant
                     WHEN 'control'::text THEN e.control_run
                     WHEN 'treatment'::text THEN e.treatment_run
                     ELSE NULL::integer
                 END AS "case"
            FROM (embrec.experiments e
              CROSS JOIN ( SELECT embrec.assign_variant(record_exposure.user_id) AS assign_variant) assigned(variant))
           WHERE (e.ended_at IS NULL) ON CONFLICT DO NOTHING;
 SELECT embrec.assign_variant(user_id) AS assign_variant;
END;


--
-- Name: record_exposure(bigint); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.record_exposure(user_id bigint) RETURNS text
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT embrec.record_exposure((user_id)::text) AS record_exposure;
END;


--
-- Name: record_outcome(text, double precision); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.record_outcome(user_id text, value double precision) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
#variable_conflict use_column
BEGIN
    IF num_nulls(record_outcome.user_id, record_outcome.value) > 0 THEN
        RAISE EXCEPTION 'record_outcome needs a user_id and a value' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF record_outcome.value IN ('NaN', 'Infinity', '-Infinity') THEN
        RAISE EXCEPTION 'value is %; give a finite number', record_outcome.value USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO embrec.outcomes (experiment_id, user_id, value)
    SELECT s.experiment_id, s.user_id, record_outcome.value
    FROM embrec.exposures AS s
    JOIN embrec.experiments AS e ON e.experiment_id = s.experiment_id
    WHERE e.ended_at IS NULL AND s.user_id = record_outcome.user_id;
    RETURN FOUND;
END;
$$;


--
-- Name: record_outcome(bigint, double precision); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.record_outcome(user_id bigint, value double precision) RETURNS boolean
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT embrec.record_outcome((user_id)::text, value) AS record_outcome;
END;


--
-- Name: refresh(); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.refresh() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    published integer := (SELECT p.model_run_id FROM embrec.published_run AS p);
BEGIN
    IF published IS NULL THEN
        RAISE EXCEPTION 'no model run is published that could be refreshed; train one first' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM embrec.refresh_statistics();
    PERFORM embrec.refresh_run(other.run)
    FROM embrec.experiments AS e
    CROSS JOIN LATERAL (SELECT DISTINCT u FROM unnest(ARRAY[e.control_run, e.treatment_run]) AS u) AS other (run)
    WHERE e.ended_at IS NULL AND other.run <> published;
    RETURN embrec.refresh_run(published);
END;
$$;


--
-- Name: refresh_run(integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.refresh_run(run integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    added integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('embrec.refresh'));
    DELETE FROM embrec.movie_embeddings AS e WHERE e.model_run_id = run AND e.folded_in;
    DELETE FROM embrec.movie_neighbours AS l WHERE l.model_run_id = run AND l.neighbours IS NULL;
    WITH newcomers AS MATERIALIZED (
        SELECT m.movie_index
        FROM embrec.movies AS m
        WHERE NOT EXISTS (
            SELECT FROM embrec.movie_embeddings AS e
            WHERE e.model_run_id = run AND e.part = 'rating' AND e.movie_index = m.movie_index
        )
    ),
    rated AS MATERIALIZED (
        SELECT
            n.movie_index,
            (array_agg(r.user_index ORDER BY r.rated_at DESC NULLS LAST, r.user_index) FILTER (WHERE r.user_index IS NOT NULL))[1 : 1000] AS users,
            (array_agg(r.rating ORDER BY r.rated_at DESC NULLS LAST, r.user_index) FILTER (WHERE r.user_index IS NOT NULL))[1 : 1000] AS ratings
        FROM newcomers AS n
        LEFT JOIN embrec.ratings AS r ON r.movie_index = n.movie_index
        GROUP BY n.movie_index
    )
    INSERT INTO embrec.movie_embeddings (model_run_id, part, movie_index, bias, embedding, folded_in)
    SELECT run, v.part, rated.movie_index, v.bias, v.embedding, true
    FROM rated
    CROSS JOIN LATERAL embrec.folded_in_movie(run, rated.movie_index, rated.users, rated.ratings) AS v;
    -- They are in nobody's list, so similar_movies compares all of them.
    INSERT INTO embrec.movie_neighbours (model_run_id, movie_index)
    SELECT run, e.movie_index
    FROM embrec.movie_embeddings AS e
    WHERE e.model_run_id = run AND e.part = 'rating' AND e.folded_in;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END;
$$;


--
-- Name: refresh_statistics(); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.refresh_statistics() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET quote_all_identifiers TO 'off'
    AS $$
BEGIN
    REFRESH MATERIALIZED VIEW CONCURRENTLY embrec.movie_statistics;
END;
$$;


--
-- Name: remove_rating(text, text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.remove_rating(user_id text, movie_id text) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 WITH removed AS (
          DELETE FROM embrec.ratings r
            USING embrec.users u,
             embrec.movies m
           WHERE ((u.user_id = remove_rating.user_id) AND (m.movie_id = remove_rating.movie_id) AND (r.user_index = u.user_index) AND (r.movie_index = m.movie_index))
           RETURNING 1 AS "?column?"
         )
  SELECT (EXISTS ( SELECT
            FROM removed)) AS "exists";
END;


--
-- Name: remove_rating(bigint, bigint); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.remove_rating(user_id bigint, movie_id bigint) RETURNS boolean
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT embrec.remove_rating((user_id)::text, (movie_id)::text) AS remove_rating;
END;


--
-- Name: ridge(public.vector[], public.vector, public.vector); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.ridge(features public.vector[], moment public.vector, penalty public.vector) RETURNS public.vector
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
    width integer[] := ARRAY[vector_dims(moment)];
    found vector := array_fill(0, width)::vector;
    residual vector := moment;
    direction vector := moment;
    square double precision := -(moment <#> moment);
    start double precision := square;
    changed vector;
    step double precision;
    before double precision;
BEGIN
    FOR number IN 1 .. 100 LOOP
        EXIT WHEN square <= 1e-13 * start;
        changed := penalty * direction + coalesce((
            SELECT sum(t.feature * array_fill((-(t.feature <#> direction))::real, width)::vector)
            FROM unnest(features) AS t (feature)
        ), array_fill(0, width)::vector);
        step := square / -(direction <#> changed);
        found := found + direction * array_fill(step::real, width)::vector;
        residual := residual - changed * array_fill(step::real, width)::vector;
        before := square;
        square := -(residual <#> residual);
        direction := residual + direction * array_fill((square / before)::real, width)::vector;
    END LOOP;
    RETURN found;
END;
$$;


--
-- Name: run_matrices; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.run_matrices (
    model_run_id integer NOT NULL,
    matrix text NOT NULL,
    row_number integer NOT NULL,
    bias real,
    embedding public.vector NOT NULL
);


--
-- Name: run_digest(integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.run_digest(model_run_id integer) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 WITH movies AS (
          SELECT string_agg(sha256((((int4send(e.movie_index) || float4send(COALESCE(e.bias, (0)::real))) || float4send(COALESCE(e.spread, (0)::real))) || public.vector_send(e.embedding))), '\x'::bytea ORDER BY e.part, e.movie_index) AS digests
            FROM embrec.movie_embeddings e
           WHERE ((e.model_run_id = run_digest.model_run_id) AND (NOT e.folded_in))
         ), layers AS (
          SELECT string_agg(sha256(((int4send(m.row_number) || float4send(COALESCE(m.bias, (0)::real))) || public.vector_send(m.embedding))), '\x'::bytea ORDER BY m.matrix, m.row_number) AS digests
            FROM embrec.run_matrices m
           WHERE (m.model_run_id = run_digest.model_run_id)
         )
  SELECT encode(sha256((COALESCE(movies.digests, '\x'::bytea) || COALESCE(layers.digests, '\x'::bytea))), 'hex'::text) AS encode
    FROM (movies
      CROSS JOIN layers);
END;


--
-- Name: similar_movies(text, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.similar_movies(movie_id text, n integer DEFAULT 10) RETURNS SETOF embrec.similar_movie
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET max_parallel_workers_per_gather TO '0'
    AS $$
#variable_conflict use_column
DECLARE
    run integer;
    compared embrec.part;
    asked integer;
    asked_vector vector;
    listed integer[];
    later integer[];
    near integer[];
    distances double precision[];
BEGIN
    SELECT p.model_run_id, p.movie_similarity INTO run, compared FROM embrec.answering_run AS p;
    SELECT e.movie_index, e.embedding INTO asked, asked_vector
    FROM embrec.movie_embeddings AS e
    WHERE e.model_run_id = run AND e.part = compared
        AND e.movie_index = (SELECT k.movie_index FROM embrec.movies AS k WHERE k.movie_id = similar_movies.movie_id);
    SELECT l.neighbours INTO listed FROM embrec.movie_neighbours AS l WHERE l.model_run_id = run AND l.movie_index = asked;
    later := ARRAY(
        SELECT l.movie_index FROM embrec.movie_neighbours AS l WHERE l.model_run_id = run AND l.neighbours IS NULL LIMIT 1001
    );
    -- Twice as many as are wanted, for the training did not round as pgvector does. Where very many came later, looking each
    -- of them up takes longer than to compare all.
    IF 2 * n::bigint <= cardinality(listed) AND cardinality(later) <= 1000 THEN
        SELECT array_agg(c.movie_index), array_agg(c.distance) INTO near, distances
        FROM (
            SELECT e.movie_index, e.embedding <=> asked_vector AS distance
            FROM embrec.movie_embeddings AS e
            WHERE e.model_run_id = run AND e.part = compared
                AND e.movie_index = ANY (listed[1 : 2 * n] || later) AND e.movie_index <> asked
            ORDER BY distance, e.movie_index
            LIMIT similar_movies.n
        ) AS c;
    ELSIF embrec.has_index('movie') THEN
        SELECT array_agg(i.near_index), array_agg(i.distance) INTO near, distances
        FROM embrec.nearest_by_index('movie', asked, n) AS i;
    ELSE
        SELECT array_agg(c.movie_index), array_agg(c.distance) INTO near, distances
        FROM (
            SELECT e.movie_index, e.embedding <=> asked_vector AS distance
            FROM embrec.movie_embeddings AS e
            WHERE e.model_run_id = run AND e.part = compared AND e.movie_index <> asked
            ORDER BY distance, e.movie_index
            LIMIT similar_movies.n
        ) AS c;
    END IF;
    RETURN QUERY
    SELECT
        (row_number() OVER (ORDER BY t.distance, t.near_index))::integer AS rank,
        m.movie_id,
        m.title,
        1 - t.distance AS similarity,
        run
    FROM unnest(near, distances) AS t (near_index, distance)
    JOIN embrec.movies AS m ON m.movie_index = t.near_index
    ORDER BY rank;
END;
$$;


--
-- Name: similar_movies(bigint, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.similar_movies(movie_id bigint, n integer DEFAULT 10) RETURNS SETOF embrec.similar_movie
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT similar_movies.rank,
     similar_movies.movie_id,
     similar_movies.title,
     similar_movies.similarity,
     similar_movies.model_run_id
    FROM embrec.similar_movies((similar_movies.movie_id)::text, similar_movies.n) similar_movies(rank, movie_id, title, similarity, model_run_id);
END;


--
-- Name: similar_users(text, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.similar_users(user_id text, n integer DEFAULT 10) RETURNS SETOF embrec.similar_user
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET max_parallel_workers_per_gather TO '0'
    AS $$
#variable_conflict use_column
DECLARE
    run integer;
    compared embrec.part;
    asked integer;
    asked_vector vector;
    near integer[];
    distances double precision[];
BEGIN
    SELECT p.model_run_id, p.user_similarity INTO run, compared FROM embrec.answering_run AS p;
    SELECT e.user_index, e.embedding INTO asked, asked_vector
    FROM embrec.user_embeddings AS e
    WHERE e.model_run_id = run AND e.part = compared
        AND e.user_index = (SELECT k.user_index FROM embrec.users AS k WHERE k.user_id = similar_users.user_id);
    IF embrec.has_index('user') THEN
        SELECT array_agg(i.near_index), array_agg(i.distance) INTO near, distances
        FROM embrec.nearest_by_index('user', asked, n) AS i;
    ELSE
        SELECT array_agg(c.user_index), array_agg(c.distance) INTO near, distances
        FROM (
            SELECT e.user_index, e.embedding <=> asked_vector AS distance
            FROM embrec.user_embeddings AS e
            WHERE e.model_run_id = run AND e.part = compared AND e.user_index <> asked
            ORDER BY distance, e.user_index
            LIMIT similar_users.n
        ) AS c;
    END IF;
    RETURN QUERY
    SELECT
        (row_number() OVER (ORDER BY t.distance, t.near_index))::integer AS rank,
        u.user_id,
        1 - t.distance AS similarity,
        run
    FROM unnest(near, distances) AS t (near_index, distance)
    JOIN embrec.users AS u ON u.user_index = t.near_index
    ORDER BY rank;
END;
$$;


--
-- Name: similar_users(bigint, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.similar_users(user_id bigint, n integer DEFAULT 10) RETURNS SETOF embrec.similar_user
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT similar_users.rank,
     similar_users.user_id,
     similar_users.similarity,
     similar_users.model_run_id
    FROM embrec.similar_users((similar_users.user_id)::text, similar_users.n) similar_users(rank, user_id, similarity, model_run_id);
END;


--
-- Name: solved_movie_preference(integer, integer[], real[]); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.solved_movie_preference(model_run_id integer, user_indexes integer[], ratings real[]) RETURNS public.vector
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    user_count integer;
    every integer;
    users vector[];
    moment vector;
    mean_square double precision;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = solved_movie_preference.model_run_id;
    -- A few thousand users tell as much as all of them of how users' vectors are spread.
    user_count := run.user_count;
    every := greatest(user_count / 2000, 1);
    SELECT
        array_agg(e.embedding * array_fill(sqrt(every)::real, ARRAY[vector_dims(e.embedding)])::vector),
        avg(-(e.embedding <#> e.embedding))
    INTO users, mean_square
    FROM embrec.user_embeddings AS e
    WHERE e.model_run_id = run.model_run_id AND e.part = 'preference' AND e.user_index % every = 0;
    SELECT sum(u.vector * array_fill(u.weight::real, ARRAY[vector_dims(u.vector)])::vector) INTO moment
    FROM (
        SELECT
            CASE
                WHEN e.embedding IS NULL THEN (
                    SELECT embrec.preference_vector(run.model_run_id, array_agg(o.movie_index), array_agg(o.rating))
                    FROM embrec.ratings AS o
                    WHERE o.user_index = t.user_index
                )
                ELSE e.embedding
            END AS vector,
            embrec.rating_weight(t.rating, run.lowest_rating, run.highest_rating, run.rating_power) AS weight
        FROM unnest(user_indexes, ratings) AS t (user_index, rating)
        LEFT JOIN embrec.user_embeddings AS e
            ON e.model_run_id = run.model_run_id AND e.part = 'preference' AND e.user_index = t.user_index
    ) AS u
    WHERE u.vector IS NOT NULL; -- a user who rated nothing that the run knows has none
    IF moment IS NULL OR users IS NULL THEN
        RETURN NULL;
    END IF;
    -- Ten users of mean length, as in embrec.models.long_tail.
    RETURN embrec.ridge(
        users, moment, array_fill((10 * mean_square / vector_dims(moment))::real, ARRAY[vector_dims(moment)])::vector
    );
END;
$$;


--
-- Name: solved_movie_rating(integer, public.vector, integer[], real[]); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.solved_movie_rating(model_run_id integer, prior public.vector, user_indexes integer[], ratings real[]) RETURNS public.vector
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    run embrec.model_runs;
    width integer := vector_dims(prior);
    own_sweeps boolean;
    feature real;
    start vector;
    features vector[];
    moment vector;
    penalty vector;
    found vector;
BEGIN
    SELECT r.* INTO run FROM embrec.model_runs AS r WHERE r.model_run_id = solved_movie_rating.model_run_id;
    own_sweeps := run.ridge_per_rating > 0;
    feature := CASE WHEN own_sweeps THEN run.bias_feature ELSE 1 END;
    start := CASE WHEN own_sweeps THEN array_fill(0, ARRAY[width])::vector ELSE prior END;
    IF run.bias_feature IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT
        array_agg(x.feature),
        sum(x.feature * array_fill((x.rating - run.mean - x.bias + (x.feature <#> start))::real, ARRAY[width])::vector)
    INTO features, moment
    FROM (
        SELECT
            subvector(u.vector, 1, width - 1) || ARRAY[feature]::vector AS feature,
            run.bias_feature * (subvector(u.vector, width, 1)::real[])[1] AS bias,
            u.rating
        FROM (
            SELECT
                CASE
                    WHEN e.embedding IS NULL THEN embrec.user_rating_vector(run.model_run_id, t.user_index)
                    ELSE e.embedding || ARRAY[e.bias / run.bias_feature]::vector
                END AS vector,
                t.rating
            FROM unnest(user_indexes, ratings) AS t (user_index, rating)
            LEFT JOIN embrec.user_embeddings AS e
                ON e.model_run_id = run.model_run_id AND e.part = 'rating' AND e.user_index = t.user_index
        ) AS u
        WHERE u.vector IS NOT NULL
    ) AS x;
    IF features IS NULL THEN
        RETURN NULL;
    END IF;
    IF own_sweeps THEN
        penalty := array_fill((run.ridge_constant + run.ridge_per_rating * cardinality(features))::real, ARRAY[width])::vector;
    ELSE
        -- A user's coordinates vary by one, which is what ridge_constant is for; a movie's by as much as they do.
        SELECT array_agg((run.ridge_constant / greatest(s.square - s.mean ^ 2, 1e-6))::real ORDER BY s.position)::vector INTO penalty
        FROM (
            SELECT avg(e.embedding || ARRAY[e.bias]::vector) AS mean, avg((e.embedding * e.embedding) || ARRAY[e.bias ^ 2]::vector) AS square
            FROM embrec.movie_embeddings AS e
            WHERE e.model_run_id = run.model_run_id AND e.part = 'rating' AND NOT e.folded_in
        ) AS m
        CROSS JOIN LATERAL unnest(m.mean::real[], m.square::real[]) WITH ORDINALITY AS s (mean, square, position);
    END IF;
    found := start + embrec.ridge(features, moment, penalty);
    RETURN subvector(found, 1, width - 1) || ARRAY[feature * (subvector(found, width, 1)::real[])[1]]::vector;
END;
$$;


--
-- Name: suggest_movies(text, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.suggest_movies(query text, n integer DEFAULT 3) RETURNS SETOF embrec.found_movie
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 WITH wanted AS (
          SELECT regexp_replace(lower(NORMALIZE("left"(TRIM(BOTH FROM suggest_movies.query), 100), NFKD)), '[\u0300-\u036f]|^(the|an?) |(, (the|an?))?( *\(\d{4}\))?$'::text, ''::text, 'g'::text) AS query
         ), words AS (
          SELECT word.word,
             LEAST((length(word.word) / 2), 3) AS letters,
             max(length(word.word)) OVER () AS longest
            FROM (wanted w
              CROSS JOIN LATERAL regexp_split_to_table(w.query, '[^[:alnum:]\u0080-\U0010ffff]+'::text) word(word))
         ), parts AS (
          SELECT ( SELECT string_agg(format('\m%s|%s\M'::text, "left"(o.word, o.letters), "right"(o.word, o.letters)), '|'::text) AS string_agg
                    FROM words o
                   WHERE ((o.letters > 0) AND ((length(o.word) > 3) OR (o.longest <= 3)))) AS pattern,
             array_agg(DISTINCT substr(((' '::text || w.query) || ' '::text), i.i, 2)) AS pairs
            FROM (wanted w
              CROSS JOIN LATERAL generate_series(1, (length(w.query) + 1)) i(i))
         ), titles AS (
          SELECT m.movie_index,
             m.movie_id,
             m.title,
             m.genres,
             m.release_year,
             ((' '::text || regexp_replace(lower(NORMALIZE(m.title, NFKD)), '[\u0300-\u036f]|^(the|an?) |(, (the|an?))?( *\(\d{4}\))?$'::text, ''::text, 'g'::text)) || ' '::text) AS folded_title
            FROM embrec.movies m
         ), compared AS (
          SELECT t.movie_index,
             t.movie_id,
             t.title,
             t.genres,
             t.release_year,
             t.folded_title,
             ((shared.pairs)::double precision / ((((cardinality(p.pairs) + length(t.folded_title)) - 1) - shared.pairs))::double precision) AS likeness
            FROM ((parts p
              JOIN titles t ON ((t.folded_title ~ p.pattern)))
              CROSS JOIN LATERAL ( SELECT count(*) AS pairs
                    FROM unnest(p.pairs) pair(pair)
                   WHERE (strpos(t.folded_title, pair.pair) > 0)) shared)
         )
  SELECT (row_number() OVER (ORDER BY c.likeness DESC, c.movie_index))::integer AS rank,
     c.movie_id,
     c.title,
     c.genres,
     c.release_year
    FROM compared c
   WHERE (c.likeness >= (0.3)::double precision)
   ORDER BY ((row_number() OVER (ORDER BY c.likeness DESC, c.movie_index))::integer)
  LIMIT suggest_movies.n;
END;


--
-- Name: trained_runs(); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.trained_runs() RETURNS SETOF embrec.trained_run
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT r.model_run_id,
     r.architecture,
     (EXISTS ( SELECT
            FROM embrec.published_run p
           WHERE (p.model_run_id = r.model_run_id))) AS "exists",
     r.finished_at,
     r.rating_count,
     r.lowest_rating,
     r.highest_rating,
     r.metrics
    FROM embrec.model_runs r
   WHERE (r.status = 'trained'::text)
   ORDER BY r.model_run_id DESC;
END;


--
-- Name: trending_movies(timestamp with time zone, integer, text[], text[], integer, integer, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.trending_movies(since timestamp with time zone, n integer DEFAULT 10, genres text[] DEFAULT NULL::text[], without_genres text[] DEFAULT NULL::text[], released_from integer DEFAULT NULL::integer, released_to integer DEFAULT NULL::integer, min_ratings integer DEFAULT NULL::integer) RETURNS SETOF embrec.trending_movie
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 WITH recent AS (
          SELECT r.movie_index,
             count(*) AS recent_count
            FROM embrec.ratings r
           WHERE (r.rated_at >= trending_movies.since)
           GROUP BY r.movie_index
         ), counted AS (
          SELECT r.movie_index,
             r.recent_count,
             GREATEST(COALESCE(s.rating_count, (0)::bigint), r.recent_count) AS rating_count
            FROM (recent r
              LEFT JOIN embrec.movie_statistics s ON ((s.movie_index = r.movie_index)))
         ), overall AS (
          SELECT ((( SELECT sum(c.recent_count) AS sum
                    FROM counted c))::double precision / (NULLIF(( SELECT sum(s.rating_count) AS sum
                    FROM embrec.movie_statistics s), (0)::numeric))::double precision) AS recent_share
         ), trends AS (
          SELECT c.movie_index,
             c.recent_count,
             c.rating_count,
             (((c.recent_count)::double precision - ((c.rating_count)::double precision * LEAST(o.recent_share, (1)::double precision))) / sqrt((((c.rating_count)::double precision * LEAST(o.recent_share, (1)::double precision)) + (1)::double precision))) AS trend
            FROM (counted c
              CROSS JOIN overall o)
         )
  SELECT (row_number() OVER (ORDER BY t.trend DESC, t.recent_count DESC, t.movie_index))::integer AS rank,
     m.movie_id,
     m.title,
     t.trend,
     t.recent_count,
     t.rating_count
    FROM (trends t
      JOIN embrec.movies m ON ((m.movie_index = t.movie_index)))
   WHERE (t.movie_index IN ( SELECT w.movie_index
            FROM embrec.movies_within(trending_movies.genres, trending_movies.without_genres, trending_movies.released_from, trending_movies.released_to, trending_movies.min_ratings) w(movie_index)))
   ORDER BY ((row_number() OVER (ORDER BY t.trend DESC, t.recent_count DESC, t.movie_index))::integer)
  LIMIT trending_movies.n;
END;


--
-- Name: user_index_of(text); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.user_index_of(user_id text) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    found integer := (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = user_index_of.user_id);
BEGIN
    IF found IS NULL THEN
        -- Both, always in this order, or two transactions with new users and new movies could wait for each other.
        LOCK TABLE embrec.users, embrec.movies IN SHARE ROW EXCLUSIVE MODE;
        INSERT INTO embrec.users (user_index, user_id)
        SELECT coalesce(max(u.user_index) + 1, 0), user_index_of.user_id FROM embrec.users AS u
        ON CONFLICT DO NOTHING;
        found := (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = user_index_of.user_id);
    END IF;
    RETURN found;
END;
$$;


--
-- Name: user_ratings(text, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.user_ratings(user_id text, n integer DEFAULT 10) RETURNS SETOF embrec.rated_movie
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 SELECT (row_number() OVER (ORDER BY r.rated_at DESC NULLS LAST, r.movie_index))::integer AS rank,
     m.movie_id,
     m.title,
     r.rating,
     r.rated_at
    FROM (embrec.ratings r
      JOIN embrec.movies m ON ((m.movie_index = r.movie_index)))
   WHERE (r.user_index = ( SELECT u.user_index
            FROM embrec.users u
           WHERE (u.user_id = user_ratings.user_id)))
   ORDER BY ((row_number() OVER (ORDER BY r.rated_at DESC NULLS LAST, r.movie_index))::integer)
  LIMIT user_ratings.n;
END;


--
-- Name: user_ratings(bigint, integer); Type: FUNCTION; Schema: embrec; Owner: -
--

CREATE FUNCTION embrec.user_ratings(user_id bigint, n integer DEFAULT 10) RETURNS SETOF embrec.rated_movie
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT user_ratings.rank,
     user_ratings.movie_id,
     user_ratings.title,
     user_ratings.rating,
     user_ratings.rated_at
    FROM embrec.user_ratings((user_ratings.user_id)::text, user_ratings.n) user_ratings(rank, movie_id, title, rating, rated_at);
END;


--
-- Name: alembic_version; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: outcomes; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.outcomes (
    experiment_id integer NOT NULL,
    user_id text NOT NULL,
    outcome_id bigint NOT NULL,
    value double precision NOT NULL,
    occurred_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT outcomes_outcomes_value_check_check CHECK (((value > '-Infinity'::double precision) AND (value < 'Infinity'::double precision)))
);


--
-- Name: experiment_results; Type: VIEW; Schema: embrec; Owner: -
--

CREATE VIEW embrec.experiment_results AS
 WITH exposed AS (
         SELECT s.experiment_id,
            s.variant,
            s.user_id,
            COALESCE(sum(o.value), (0)::double precision) AS value,
            (count(o.value) > 0) AS has_outcome
           FROM (embrec.exposures s
             LEFT JOIN embrec.outcomes o ON (((o.experiment_id = s.experiment_id) AND (o.user_id = s.user_id))))
          GROUP BY s.experiment_id, s.variant, s.user_id
        ), sides AS (
         SELECT e.experiment_id,
            e.name,
            v.variant,
            v.model_run_id,
            count(x.user_id) AS exposed_users,
            count(x.user_id) FILTER (WHERE x.has_outcome) AS users_with_outcome,
            avg(x.value) AS mean_outcome,
            (stddev_samp(x.value) / sqrt((count(x.value))::double precision)) AS standard_error
           FROM ((embrec.experiments e
             CROSS JOIN LATERAL ( VALUES ('control'::text,e.control_run), ('treatment'::text,e.treatment_run)) v(variant, model_run_id))
             LEFT JOIN exposed x ON (((x.experiment_id = e.experiment_id) AND (x.variant = v.variant))))
          GROUP BY e.experiment_id, e.name, v.variant, v.model_run_id
        ), compared AS (
         SELECT s.experiment_id,
            s.name,
            s.variant,
            s.model_run_id,
            s.exposed_users,
            s.users_with_outcome,
            s.mean_outcome,
            s.standard_error,
            (s.mean_outcome - c_1.mean_outcome) AS difference,
            ((1.959964)::double precision * sqrt(((s.standard_error ^ (2)::double precision) + (c_1.standard_error ^ (2)::double precision)))) AS half_width
           FROM (sides s
             LEFT JOIN sides c_1 ON (((s.variant = 'treatment'::text) AND (c_1.variant = 'control'::text) AND (c_1.experiment_id = s.experiment_id))))
        )
 SELECT experiment_id,
    name,
    variant,
    model_run_id,
    exposed_users,
    users_with_outcome,
    mean_outcome,
    standard_error,
    difference,
    (difference - half_width) AS difference_low,
    (difference + half_width) AS difference_high
   FROM compared c;


--
-- Name: experiments_experiment_id_seq; Type: SEQUENCE; Schema: embrec; Owner: -
--

ALTER TABLE embrec.experiments ALTER COLUMN experiment_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME embrec.experiments_experiment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: load_watermarks; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.load_watermarks (
    source text NOT NULL,
    watermark_column text NOT NULL,
    watermark timestamp with time zone NOT NULL,
    loaded_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: model_runs_model_run_id_seq; Type: SEQUENCE; Schema: embrec; Owner: -
--

ALTER TABLE embrec.model_runs ALTER COLUMN model_run_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME embrec.model_runs_model_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: movie_embeddings_run_1; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_embeddings_run_1 (
    model_run_id integer CONSTRAINT movie_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part CONSTRAINT movie_embeddings_part_not_null NOT NULL,
    movie_index integer CONSTRAINT movie_embeddings_movie_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT movie_embeddings_embedding_not_null NOT NULL,
    folded_in boolean DEFAULT NULL CONSTRAINT movie_embeddings_folded_in_not_null NOT NULL,
    spread real
)
PARTITION BY LIST (part);


--
-- Name: movie_embeddings_run_1_preference; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_embeddings_run_1_preference (
    model_run_id integer DEFAULT 1 CONSTRAINT movie_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'preference'::embrec.part CONSTRAINT movie_embeddings_part_not_null NOT NULL,
    movie_index integer CONSTRAINT movie_embeddings_movie_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT movie_embeddings_embedding_not_null NOT NULL,
    folded_in boolean DEFAULT false CONSTRAINT movie_embeddings_folded_in_not_null NOT NULL,
    spread real,
    CONSTRAINT movie_embeddings_run_1_preference_check CHECK (((model_run_id = 1) AND (part = 'preference'::embrec.part))),
    CONSTRAINT movie_embeddings_run_1_preference_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: movie_embeddings_run_1_profile; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_embeddings_run_1_profile (
    model_run_id integer DEFAULT 1 CONSTRAINT movie_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'profile'::embrec.part CONSTRAINT movie_embeddings_part_not_null NOT NULL,
    movie_index integer CONSTRAINT movie_embeddings_movie_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT movie_embeddings_embedding_not_null NOT NULL,
    folded_in boolean DEFAULT false CONSTRAINT movie_embeddings_folded_in_not_null NOT NULL,
    spread real,
    CONSTRAINT movie_embeddings_run_1_profile_check CHECK (((model_run_id = 1) AND (part = 'profile'::embrec.part))),
    CONSTRAINT movie_embeddings_run_1_profile_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: movie_embeddings_run_1_rating; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_embeddings_run_1_rating (
    model_run_id integer DEFAULT 1 CONSTRAINT movie_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'rating'::embrec.part CONSTRAINT movie_embeddings_part_not_null NOT NULL,
    movie_index integer CONSTRAINT movie_embeddings_movie_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT movie_embeddings_embedding_not_null NOT NULL,
    folded_in boolean DEFAULT false CONSTRAINT movie_embeddings_folded_in_not_null NOT NULL,
    spread real,
    CONSTRAINT movie_embeddings_run_1_rating_check CHECK (((model_run_id = 1) AND (part = 'rating'::embrec.part))),
    CONSTRAINT movie_embeddings_run_1_rating_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: movie_embeddings_run_1_similarity; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_embeddings_run_1_similarity (
    model_run_id integer DEFAULT 1 CONSTRAINT movie_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'similarity'::embrec.part CONSTRAINT movie_embeddings_part_not_null NOT NULL,
    movie_index integer CONSTRAINT movie_embeddings_movie_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT movie_embeddings_embedding_not_null NOT NULL,
    folded_in boolean DEFAULT false CONSTRAINT movie_embeddings_folded_in_not_null NOT NULL,
    spread real,
    CONSTRAINT movie_embeddings_run_1_similarity_check CHECK (((model_run_id = 1) AND (part = 'similarity'::embrec.part))),
    CONSTRAINT movie_embeddings_run_1_similarity_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: movie_embeddings_run_2; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_embeddings_run_2 (
    model_run_id integer CONSTRAINT movie_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part CONSTRAINT movie_embeddings_part_not_null NOT NULL,
    movie_index integer CONSTRAINT movie_embeddings_movie_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT movie_embeddings_embedding_not_null NOT NULL,
    folded_in boolean DEFAULT NULL CONSTRAINT movie_embeddings_folded_in_not_null NOT NULL,
    spread real
)
PARTITION BY LIST (part);


--
-- Name: movie_embeddings_run_2_preference; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_embeddings_run_2_preference (
    model_run_id integer DEFAULT 2 CONSTRAINT movie_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'preference'::embrec.part CONSTRAINT movie_embeddings_part_not_null NOT NULL,
    movie_index integer CONSTRAINT movie_embeddings_movie_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT movie_embeddings_embedding_not_null NOT NULL,
    folded_in boolean DEFAULT false CONSTRAINT movie_embeddings_folded_in_not_null NOT NULL,
    spread real,
    CONSTRAINT movie_embeddings_run_2_preference_check CHECK (((model_run_id = 2) AND (part = 'preference'::embrec.part))),
    CONSTRAINT movie_embeddings_run_2_preference_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: movie_embeddings_run_2_profile; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_embeddings_run_2_profile (
    model_run_id integer DEFAULT 2 CONSTRAINT movie_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'profile'::embrec.part CONSTRAINT movie_embeddings_part_not_null NOT NULL,
    movie_index integer CONSTRAINT movie_embeddings_movie_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT movie_embeddings_embedding_not_null NOT NULL,
    folded_in boolean DEFAULT false CONSTRAINT movie_embeddings_folded_in_not_null NOT NULL,
    spread real,
    CONSTRAINT movie_embeddings_run_2_profile_check CHECK (((model_run_id = 2) AND (part = 'profile'::embrec.part))),
    CONSTRAINT movie_embeddings_run_2_profile_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: movie_embeddings_run_2_rating; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_embeddings_run_2_rating (
    model_run_id integer DEFAULT 2 CONSTRAINT movie_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'rating'::embrec.part CONSTRAINT movie_embeddings_part_not_null NOT NULL,
    movie_index integer CONSTRAINT movie_embeddings_movie_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT movie_embeddings_embedding_not_null NOT NULL,
    folded_in boolean DEFAULT false CONSTRAINT movie_embeddings_folded_in_not_null NOT NULL,
    spread real,
    CONSTRAINT movie_embeddings_run_2_rating_check CHECK (((model_run_id = 2) AND (part = 'rating'::embrec.part))),
    CONSTRAINT movie_embeddings_run_2_rating_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: movie_embeddings_run_2_similarity; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_embeddings_run_2_similarity (
    model_run_id integer DEFAULT 2 CONSTRAINT movie_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'similarity'::embrec.part CONSTRAINT movie_embeddings_part_not_null NOT NULL,
    movie_index integer CONSTRAINT movie_embeddings_movie_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT movie_embeddings_embedding_not_null NOT NULL,
    folded_in boolean DEFAULT false CONSTRAINT movie_embeddings_folded_in_not_null NOT NULL,
    spread real,
    CONSTRAINT movie_embeddings_run_2_similarity_check CHECK (((model_run_id = 2) AND (part = 'similarity'::embrec.part))),
    CONSTRAINT movie_embeddings_run_2_similarity_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: movie_neighbours; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.movie_neighbours (
    model_run_id integer NOT NULL,
    movie_index integer NOT NULL,
    neighbours integer[]
);


--
-- Name: outcomes_outcome_id_seq; Type: SEQUENCE; Schema: embrec; Owner: -
--

ALTER TABLE embrec.outcomes ALTER COLUMN outcome_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME embrec.outcomes_outcome_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: publications_publication_id_seq; Type: SEQUENCE; Schema: embrec; Owner: -
--

ALTER TABLE embrec.publications ALTER COLUMN publication_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME embrec.publications_publication_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: published_movie_embeddings; Type: VIEW; Schema: embrec; Owner: -
--

CREATE VIEW embrec.published_movie_embeddings AS
 SELECT e.movie_index,
    m.movie_id,
    m.title,
    e.embedding,
    e.model_run_id
   FROM (embrec.movie_embeddings e
     JOIN embrec.movies m ON ((m.movie_index = e.movie_index)))
  WHERE ((e.model_run_id = ( SELECT r.model_run_id
           FROM embrec.published_run r)) AND (e.part = ( SELECT r.movie_similarity
           FROM embrec.published_run r)));


--
-- Name: published_movie_preferences; Type: VIEW; Schema: embrec; Owner: -
--

CREATE VIEW embrec.published_movie_preferences AS
 SELECT e.movie_index,
    m.movie_id,
    m.title,
    m.genres,
    m.release_year,
    COALESCE(s.rating_count, (0)::bigint) AS rating_count,
    e.bias,
    e.embedding,
    e.model_run_id
   FROM ((embrec.movie_embeddings e
     JOIN embrec.movies m ON ((m.movie_index = e.movie_index)))
     LEFT JOIN embrec.movie_statistics s ON ((s.movie_index = e.movie_index)))
  WHERE ((e.model_run_id = ( SELECT r.model_run_id
           FROM embrec.published_run r)) AND (e.part = ( SELECT (
                CASE
                    WHEN (r.rating_power IS NULL) THEN 'rating'::text
                    ELSE 'preference'::text
                END)::embrec.part AS part
           FROM (embrec.published_run p
             JOIN embrec.model_runs r ON ((r.model_run_id = p.model_run_id))))));


--
-- Name: published_user_embeddings; Type: VIEW; Schema: embrec; Owner: -
--

CREATE VIEW embrec.published_user_embeddings AS
 SELECT e.user_index,
    u.user_id,
    e.embedding,
    e.model_run_id
   FROM (embrec.user_embeddings e
     JOIN embrec.users u ON ((u.user_index = e.user_index)))
  WHERE ((e.model_run_id = ( SELECT r.model_run_id
           FROM embrec.published_run r)) AND (e.part = ( SELECT r.user_similarity
           FROM embrec.published_run r)));


--
-- Name: run_indexes; Type: VIEW; Schema: embrec; Owner: -
--

CREATE VIEW embrec.run_indexes AS
 SELECT r.model_run_id,
    wanted.name AS index_name,
    (t.relname)::text AS table_name,
    (t.reltuples)::bigint AS vectors,
        CASE
            WHEN i.indisvalid THEN 'valid'::text
            WHEN (i.indexrelid IS NOT NULL) THEN 'invalid'::text
            WHEN (EXISTS ( SELECT
               FROM pg_stat_progress_create_index b
              WHERE (b.relid = t.oid))) THEN 'building'::text
            ELSE 'missing'::text
        END AS state,
    (
        CASE
            WHEN ((i.indexrelid IS NOT NULL) AND (NOT i.indisvalid)) THEN format('DROP INDEX embrec.%I; '::text, wanted.name)
            ELSE ''::text
        END ||
        CASE wanted.kind
            WHEN 'ranking'::text THEN format('SELECT embrec.index_ranking(%s);'::text, r.model_run_id)
            ELSE format('SELECT embrec.index_run(%s, %L, %L);'::text, r.model_run_id, wanted.side, wanted.part)
        END) AS mended_by
   FROM (((embrec.model_runs r
     CROSS JOIN LATERAL ( SELECT w.side,
            w.part,
            w.kind,
            format('%s_embeddings_run_%s_%s'::text, w.side, r.model_run_id, w.part) AS table_name,
            format('%s_embeddings_run_%s_%s_%s'::text, w.side, r.model_run_id, w.part, w.kind) AS name
           FROM ( VALUES ('movie'::text,r.movie_similarity,'hnsw'::text), ('user'::text,r.user_similarity,'hnsw'::text), ('movie'::text,'preference'::embrec.part,'ranking'::text)) w(side, part, kind)) wanted)
     JOIN pg_class t ON ((t.oid = (to_regclass(('embrec.'::text || wanted.table_name)))::oid)))
     LEFT JOIN pg_index i ON ((i.indexrelid = (to_regclass(('embrec.'::text || wanted.name)))::oid)))
  WHERE ((r.status = 'trained'::text) AND ((t.reltuples >= (50000)::double precision) OR (i.indexrelid IS NOT NULL)));


--
-- Name: run_status; Type: VIEW; Schema: embrec; Owner: -
--

CREATE VIEW embrec.run_status AS
 WITH stored AS (
         SELECT ("substring"((c.relname)::text, '_run_([0-9]+)_'::text))::integer AS model_run_id,
            (sum(GREATEST(c.reltuples, (0)::real)))::bigint AS vectors,
            (sum(pg_total_relation_size((c.oid)::regclass)))::bigint AS vector_bytes
           FROM (pg_class c
             JOIN pg_namespace n ON ((n.oid = c.relnamespace)))
          WHERE ((n.nspname = 'embrec'::name) AND (c.relkind = 'r'::"char") AND (c.relname ~ '^(user|movie)_embeddings_run_[0-9]+_[a-z]+$'::text))
          GROUP BY ("substring"((c.relname)::text, '_run_([0-9]+)_'::text))::integer
        ), indexed AS (
         SELECT i_1.model_run_id,
            (array_agg(i_1.state ORDER BY (array_position('{invalid,missing,building,valid}'::text[], i_1.state))))[1] AS state
           FROM embrec.run_indexes i_1
          GROUP BY i_1.model_run_id
        )
 SELECT r.model_run_id,
    r.architecture,
        CASE
            WHEN ((r.status = 'training'::text) AND (r.heartbeat_at < (now() - '00:02:00'::interval))) THEN 'lost'::text
            ELSE r.status
        END AS state,
    (NOT (r.model_run_id IS DISTINCT FROM p.model_run_id)) AS published,
    e.name AS experiment,
    r.started_at,
    r.finished_at,
    r.heartbeat_at,
    (now() - COALESCE(r.finished_at, r.started_at)) AS age,
        CASE r.status
            WHEN 'training'::text THEN r.progress
            ELSE NULL::real
        END AS progress,
    r.user_count,
    r.movie_count,
    r.rating_count,
    r.metrics,
    s.vectors,
    s.vector_bytes,
    i.state AS indexes
   FROM ((((embrec.model_runs r
     LEFT JOIN embrec.published_run p ON ((p.model_run_id = r.model_run_id)))
     LEFT JOIN embrec.experiments e ON (((e.ended_at IS NULL) AND ((r.model_run_id = e.control_run) OR (r.model_run_id = e.treatment_run)))))
     LEFT JOIN stored s ON ((s.model_run_id = r.model_run_id)))
     LEFT JOIN indexed i ON ((i.model_run_id = r.model_run_id)));


--
-- Name: status; Type: VIEW; Schema: embrec; Owner: -
--

CREATE VIEW embrec.status AS
 WITH large AS (
         SELECT (pg_relation_size('embrec.ratings'::regclass) >= 67108864) AS ratings,
            COALESCE(NULLIF(pg_stat_get_live_tuples(('embrec.ratings'::regclass)::oid), 0), (GREATEST(c.reltuples, (0)::real))::bigint) AS rows
           FROM pg_class c
          WHERE (c.oid = ('embrec.ratings'::regclass)::oid)
        ), known AS (
         SELECT ( SELECT COALESCE((max(u.user_index) + 1), 0) AS "coalesce"
                   FROM embrec.users u) AS users,
            ( SELECT COALESCE((max(m.movie_index) + 1), 0) AS "coalesce"
                   FROM embrec.movies m) AS movies,
                CASE
                    WHEN l.ratings THEN l.rows
                    ELSE ( SELECT count(*) AS count
                       FROM embrec.ratings r)
                END AS ratings,
            l.ratings AS ratings_estimated,
                CASE
                    WHEN l.ratings THEN GREATEST(( SELECT max(r.newest_rating_at) AS max
                       FROM embrec.model_runs r), ( SELECT max(sampled.rated_at) AS max
                       FROM (pg_stats s_1
                         CROSS JOIN LATERAL unnest((((s_1.most_common_vals)::text)::timestamp with time zone[] || ((s_1.histogram_bounds)::text)::timestamp with time zone[])) sampled(rated_at))
                      WHERE ((s_1.schemaname = 'embrec'::name) AND (s_1.tablename = 'ratings'::name) AND (s_1.attname = 'rated_at'::name))))
                    ELSE ( SELECT max(r.rated_at) AS max
                       FROM embrec.ratings r)
                END AS newest_rating_at
           FROM large l
        ), trained AS (
         SELECT r.model_run_id,
            r.architecture,
            p.published_at,
            r.finished_at,
            r.rating_count,
            ( SELECT max(e.user_index) AS max
                   FROM embrec.user_embeddings e
                  WHERE ((e.model_run_id = ( SELECT p_1.model_run_id
                           FROM embrec.published_run p_1)) AND (e.part = 'rating'::embrec.part))) AS last_user,
            ( SELECT count(*) AS count
                   FROM embrec.movies m
                  WHERE (NOT (EXISTS ( SELECT
                           FROM embrec.movie_embeddings e
                          WHERE ((e.model_run_id = ( SELECT p_1.model_run_id
                                   FROM embrec.published_run p_1)) AND (e.part = 'rating'::embrec.part) AND (e.movie_index = m.movie_index)))))) AS movies_without_vectors
           FROM (embrec.published_run p
             JOIN embrec.model_runs r ON ((r.model_run_id = p.model_run_id)))
        ), stored AS (
         SELECT count(*) FILTER (WHERE (s_1.state = 'training'::text)) AS trainings,
            count(*) FILTER (WHERE (s_1.state = 'trained'::text)) AS trained_runs,
            count(*) FILTER (WHERE (s_1.state = 'lost'::text)) AS lost_runs,
            (COALESCE(sum(s_1.vector_bytes), (0)::numeric))::bigint AS vector_bytes
           FROM embrec.run_status s_1
        )
 SELECT (current_database())::text AS database_name,
    current_setting('server_version'::text) AS server_version,
    ( SELECT (v.version_num)::text AS version_num
           FROM embrec.alembic_version v) AS schema_revision,
    k.users,
    k.movies,
    k.ratings,
    k.ratings_estimated,
    k.newest_rating_at,
    ( SELECT (COALESCE(sum(s_1.rating_count), (0)::numeric))::bigint AS "coalesce"
           FROM embrec.movie_statistics s_1) AS ratings_in_statistics,
    t.model_run_id AS published_run,
    t.architecture,
    t.published_at,
    t.finished_at AS trained_at,
    (k.ratings - t.rating_count) AS ratings_since_training,
    (((k.ratings - t.rating_count))::double precision / (NULLIF(t.rating_count, 0))::double precision) AS share_since_training,
    ((k.users - 1) - t.last_user) AS users_since_training,
    t.movies_without_vectors,
    ( SELECT e.name
           FROM embrec.experiments e
          WHERE (e.ended_at IS NULL)) AS experiment,
    s.trainings,
    s.trained_runs,
    s.lost_runs,
    pg_database_size(current_database()) AS database_bytes,
    pg_total_relation_size('embrec.ratings'::regclass) AS rating_bytes,
    s.vector_bytes
   FROM ((known k
     CROSS JOIN stored s)
     LEFT JOIN trained t ON (true));


--
-- Name: tuning_trials; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.tuning_trials (
    trial_id integer NOT NULL,
    architecture text NOT NULL,
    ratings_sha256 text NOT NULL,
    options jsonb NOT NULL,
    metric text NOT NULL,
    value double precision NOT NULL,
    tried_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: tuning_trials_trial_id_seq; Type: SEQUENCE; Schema: embrec; Owner: -
--

ALTER TABLE embrec.tuning_trials ALTER COLUMN trial_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME embrec.tuning_trials_trial_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: user_embeddings_run_1; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.user_embeddings_run_1 (
    model_run_id integer CONSTRAINT user_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part CONSTRAINT user_embeddings_part_not_null NOT NULL,
    user_index integer CONSTRAINT user_embeddings_user_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT user_embeddings_embedding_not_null NOT NULL,
    fingerprint bigint,
    spread real
)
PARTITION BY LIST (part);


--
-- Name: user_embeddings_run_1_preference; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.user_embeddings_run_1_preference (
    model_run_id integer DEFAULT 1 CONSTRAINT user_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'preference'::embrec.part CONSTRAINT user_embeddings_part_not_null NOT NULL,
    user_index integer CONSTRAINT user_embeddings_user_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT user_embeddings_embedding_not_null NOT NULL,
    fingerprint bigint,
    spread real,
    CONSTRAINT user_embeddings_run_1_preference_check CHECK (((model_run_id = 1) AND (part = 'preference'::embrec.part))),
    CONSTRAINT user_embeddings_run_1_preference_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: user_embeddings_run_1_rating; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.user_embeddings_run_1_rating (
    model_run_id integer DEFAULT 1 CONSTRAINT user_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'rating'::embrec.part CONSTRAINT user_embeddings_part_not_null NOT NULL,
    user_index integer CONSTRAINT user_embeddings_user_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT user_embeddings_embedding_not_null NOT NULL,
    fingerprint bigint,
    spread real,
    CONSTRAINT user_embeddings_run_1_rating_check CHECK (((model_run_id = 1) AND (part = 'rating'::embrec.part))),
    CONSTRAINT user_embeddings_run_1_rating_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: user_embeddings_run_2; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.user_embeddings_run_2 (
    model_run_id integer CONSTRAINT user_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part CONSTRAINT user_embeddings_part_not_null NOT NULL,
    user_index integer CONSTRAINT user_embeddings_user_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT user_embeddings_embedding_not_null NOT NULL,
    fingerprint bigint,
    spread real
)
PARTITION BY LIST (part);


--
-- Name: user_embeddings_run_2_preference; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.user_embeddings_run_2_preference (
    model_run_id integer DEFAULT 2 CONSTRAINT user_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'preference'::embrec.part CONSTRAINT user_embeddings_part_not_null NOT NULL,
    user_index integer CONSTRAINT user_embeddings_user_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT user_embeddings_embedding_not_null NOT NULL,
    fingerprint bigint,
    spread real,
    CONSTRAINT user_embeddings_run_2_preference_check CHECK (((model_run_id = 2) AND (part = 'preference'::embrec.part))),
    CONSTRAINT user_embeddings_run_2_preference_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: user_embeddings_run_2_rating; Type: TABLE; Schema: embrec; Owner: -
--

CREATE TABLE embrec.user_embeddings_run_2_rating (
    model_run_id integer DEFAULT 2 CONSTRAINT user_embeddings_model_run_id_not_null NOT NULL,
    part embrec.part DEFAULT 'rating'::embrec.part CONSTRAINT user_embeddings_part_not_null NOT NULL,
    user_index integer CONSTRAINT user_embeddings_user_index_not_null NOT NULL,
    bias real,
    embedding public.vector CONSTRAINT user_embeddings_embedding_not_null NOT NULL,
    fingerprint bigint,
    spread real,
    CONSTRAINT user_embeddings_run_2_rating_check CHECK (((model_run_id = 2) AND (part = 'rating'::embrec.part))),
    CONSTRAINT user_embeddings_run_2_rating_embedding_check CHECK ((public.vector_dims(embedding) = 5))
);


--
-- Name: warnings; Type: VIEW; Schema: embrec; Owner: -
--

CREATE VIEW embrec.warnings AS
 WITH s AS MATERIALIZED (
         SELECT status.database_name,
            status.server_version,
            status.schema_revision,
            status.users,
            status.movies,
            status.ratings,
            status.ratings_estimated,
            status.newest_rating_at,
            status.ratings_in_statistics,
            status.published_run,
            status.architecture,
            status.published_at,
            status.trained_at,
            status.ratings_since_training,
            status.share_since_training,
            status.users_since_training,
            status.movies_without_vectors,
            status.experiment,
            status.trainings,
            status.trained_runs,
            status.lost_runs,
            status.database_bytes,
            status.rating_bytes,
            status.vector_bytes
           FROM embrec.status
        )
 SELECT 'no_ratings'::text AS code,
    'There are no ratings.'::text AS message,
    'embrec load ml-100k'::text AS command
   FROM s
  WHERE (s.ratings = 0)
UNION ALL
 SELECT 'no_run'::text AS code,
    'There are ratings, and no trained model run.'::text AS message,
    'embrec train'::text AS command
   FROM s
  WHERE ((s.ratings > 0) AND (s.trained_runs = 0) AND (s.trainings = 0))
UNION ALL
 SELECT 'unpublished'::text AS code,
    format('Model run %s is trained, and no run is published.'::text, max(r.model_run_id)) AS message,
    format('embrec runs publish %s'::text, max(r.model_run_id)) AS command
   FROM (s
     JOIN embrec.run_status r ON ((r.state = 'trained'::text)))
  WHERE (s.published_run IS NULL)
 HAVING (count(*) > 0)
UNION ALL
 SELECT 'many_new_ratings'::text AS code,
    format('%s%% of ratings came after the training of the published run.'::text, round((((100 * s.ratings_since_training) / s.ratings))::double precision)) AS message,
    'embrec train'::text AS command
   FROM s
  WHERE (s.share_since_training >= (0.1)::double precision)
UNION ALL
 SELECT 'movies_without_vectors'::text AS code,
    format('Movies without a vector in the published run, which are not recommended: %s.'::text, s.movies_without_vectors) AS message,
    'embrec refresh'::text AS command
   FROM s
  WHERE (s.movies_without_vectors > 0)
UNION ALL
 SELECT 'statistics_stale'::text AS code,
    format('Popular movies are of %s ratings, and there are %s.'::text, s.ratings_in_statistics, s.ratings) AS message,
        CASE
            WHEN (s.published_run IS NULL) THEN 'SELECT embrec.refresh_statistics();'::text
            ELSE 'embrec refresh'::text
        END AS command
   FROM s
  WHERE ((abs((s.ratings - s.ratings_in_statistics)))::numeric > (0.1 * (s.ratings)::numeric))
UNION ALL
 SELECT ('index_'::text || i.state) AS code,
    format('The index %s of model run %s is %s, so that its answers are slow.'::text, i.index_name, i.model_run_id, i.state) AS message,
    i.mended_by AS command
   FROM (embrec.run_indexes i
     JOIN embrec.run_status r ON ((r.model_run_id = i.model_run_id)))
  WHERE ((i.state = ANY (ARRAY['missing'::text, 'invalid'::text])) AND (r.published OR (r.experiment IS NOT NULL)))
UNION ALL
 SELECT 'training_failed'::text AS code,
    format('The newest training failed, model run %s.'::text, r.model_run_id) AS message,
    format('embrec runs show %s'::text, r.model_run_id) AS command
   FROM embrec.run_status r
  WHERE ((r.state = 'failed'::text) AND (r.model_run_id = ( SELECT max(m.model_run_id) AS max
           FROM embrec.model_runs m)))
UNION ALL
 SELECT 'lost_run'::text AS code,
    format('The process of model run %s is gone.'::text, r.model_run_id) AS message,
    'embrec gc'::text AS command
   FROM embrec.run_status r
  WHERE (r.state = 'lost'::text)
UNION ALL
 SELECT 'left_over'::text AS code,
    format('Model run %s is %s, and its vectors are still there (%s).'::text, r.model_run_id, r.state, pg_size_pretty(r.vector_bytes)) AS message,
    'embrec gc'::text AS command
   FROM embrec.run_status r
  WHERE ((r.state = ANY (ARRAY['failed'::text, 'deleted'::text])) AND (r.vector_bytes > 0))
UNION ALL
 SELECT 'old_runs'::text AS code,
    format('%s trained runs are kept, %s in all.'::text, s.trained_runs, pg_size_pretty(s.vector_bytes)) AS message,
    'embrec gc --keep 5'::text AS command
   FROM s
  WHERE (s.trained_runs > 10);


--
-- Name: movie_embeddings_run_1; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings ATTACH PARTITION embrec.movie_embeddings_run_1 FOR VALUES IN (1);


--
-- Name: movie_embeddings_run_1_preference; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_1 ATTACH PARTITION embrec.movie_embeddings_run_1_preference FOR VALUES IN ('preference');


--
-- Name: movie_embeddings_run_1_profile; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_1 ATTACH PARTITION embrec.movie_embeddings_run_1_profile FOR VALUES IN ('profile');


--
-- Name: movie_embeddings_run_1_rating; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_1 ATTACH PARTITION embrec.movie_embeddings_run_1_rating FOR VALUES IN ('rating');


--
-- Name: movie_embeddings_run_1_similarity; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_1 ATTACH PARTITION embrec.movie_embeddings_run_1_similarity FOR VALUES IN ('similarity');


--
-- Name: movie_embeddings_run_2; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings ATTACH PARTITION embrec.movie_embeddings_run_2 FOR VALUES IN (2);


--
-- Name: movie_embeddings_run_2_preference; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_2 ATTACH PARTITION embrec.movie_embeddings_run_2_preference FOR VALUES IN ('preference');


--
-- Name: movie_embeddings_run_2_profile; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_2 ATTACH PARTITION embrec.movie_embeddings_run_2_profile FOR VALUES IN ('profile');


--
-- Name: movie_embeddings_run_2_rating; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_2 ATTACH PARTITION embrec.movie_embeddings_run_2_rating FOR VALUES IN ('rating');


--
-- Name: movie_embeddings_run_2_similarity; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_2 ATTACH PARTITION embrec.movie_embeddings_run_2_similarity FOR VALUES IN ('similarity');


--
-- Name: user_embeddings_run_1; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings ATTACH PARTITION embrec.user_embeddings_run_1 FOR VALUES IN (1);


--
-- Name: user_embeddings_run_1_preference; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings_run_1 ATTACH PARTITION embrec.user_embeddings_run_1_preference FOR VALUES IN ('preference');


--
-- Name: user_embeddings_run_1_rating; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings_run_1 ATTACH PARTITION embrec.user_embeddings_run_1_rating FOR VALUES IN ('rating');


--
-- Name: user_embeddings_run_2; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings ATTACH PARTITION embrec.user_embeddings_run_2 FOR VALUES IN (2);


--
-- Name: user_embeddings_run_2_preference; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings_run_2 ATTACH PARTITION embrec.user_embeddings_run_2_preference FOR VALUES IN ('preference');


--
-- Name: user_embeddings_run_2_rating; Type: TABLE ATTACH; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings_run_2 ATTACH PARTITION embrec.user_embeddings_run_2_rating FOR VALUES IN ('rating');


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.alembic_version (version_num) FROM stdin;
0012
\.


--
-- Data for Name: experiments; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.experiments (experiment_id, name, control_run, treatment_run, treatment_share, started_at, ended_at) FROM stdin;
1	one	1	2	0.5	2026-11-28 07:46:55.016451+00	\N
\.


--
-- Data for Name: exposures; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.exposures (experiment_id, user_id, variant, model_run_id, exposed_at) FROM stdin;
1	u1	control	1	2026-11-28 07:46:55.024228+00
\.


--
-- Data for Name: load_watermarks; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.load_watermarks (source, watermark_column, watermark, loaded_at) FROM stdin;
\.


--
-- Data for Name: model_runs; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.model_runs (model_run_id, architecture, status, options, seed, library_versions, user_count, movie_count, rating_count, newest_rating_at, ratings_sha256, dimensions, mean, movie_similarity, user_similarity, parameters, metrics, history, error, started_at, finished_at, lowest_rating, highest_rating, rating_power, bias_feature, ridge_constant, ridge_per_rating, user_spread, movie_spread, heartbeat_at, vectors_sha256, progress) FROM stdin;
1	two-part	trained	{"epochs": 1}	0	{}	0	0	0	\N		5	3.5	similarity	preference	{}	{}	[]	\N	2026-11-28 07:46:54.915277+00	2026-11-28 07:46:54.917661+00	1	5	1.5	0.25	0.5	0	1.25	0.75	2026-11-28 07:46:54.915277+00	\N	\N
2	two-part	trained	{"epochs": 1}	0	{}	0	0	0	\N		5	3.5	similarity	preference	{}	{}	[]	\N	2026-11-28 07:46:54.966123+00	2026-11-28 07:46:54.96768+00	1	5	1.5	0.25	0.5	0	1.25	0.75	2026-11-28 07:46:54.966123+00	\N	\N
\.


--
-- Data for Name: movie_embeddings_run_1_preference; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.movie_embeddings_run_1_preference (model_run_id, part, movie_index, bias, embedding, folded_in, spread) FROM stdin;
1	preference	0	\N	[-0.651281,0.8624448,-0.12559208,0.6691532,1.2188436]	f	\N
1	preference	1	\N	[0.3829296,-0.87572116,-1.5143186,1.7533841,-0.11129219]	f	\N
1	preference	2	\N	[-0.68856496,0.14425708,-0.19141133,0.8521423,0.033928182]	f	\N
1	preference	3	\N	[0.013749584,-0.7145797,0.4695681,-1.0338668,0.66588944]	f	\N
1	preference	4	\N	[1.5239375,-1.524686,-2.4662292,0.61687875,2.5478978]	f	\N
1	preference	5	\N	[-1.0009248,-1.2506957,0.58896893,-0.8407216,-0.5060255]	f	\N
1	preference	6	\N	[-0.34811747,0.5320021,-0.40530238,0.27788284,-0.17653325]	f	\N
1	preference	7	\N	[-0.84467113,-0.31982625,-0.95039964,0.006514986,-1.1238662]	f	\N
1	preference	8	\N	[-1.0928943,1.4569619,-0.05318422,-0.053902026,0.5115364]	f	\N
1	preference	9	\N	[-0.420857,-0.22853537,0.42514873,0.28241584,-1.1592968]	f	\N
1	preference	10	\N	[0.8333426,-0.59043497,-1.0560789,-0.9004751,-0.39054534]	f	\N
1	preference	11	\N	[1.6273003,-1.1755359,0.16007589,-2.1378243,-0.0015669331]	f	\N
1	preference	12	\N	[0.8995664,-0.23666333,-0.6293549,0.23151107,0.70015174]	f	\N
1	preference	13	\N	[0.66365755,1.9724739,0.20916747,-0.5924101,-0.12597919]	f	\N
1	preference	14	\N	[-0.072498545,0.10873739,-0.030027812,0.17396595,-1.67085]	f	\N
1	preference	15	\N	[0.82962894,-0.5747393,-1.1731586,0.63775116,1.317326]	f	\N
1	preference	16	\N	[0.49302816,0.1611593,-0.9322203,2.8715672,0.8802586]	f	\N
1	preference	17	\N	[-1.1392946,-0.77963793,0.08697925,-1.5547311,0.1686304]	f	\N
1	preference	18	\N	[-0.45907155,1.2262706,0.9621547,-2.7112854,0.041702587]	f	\N
1	preference	19	\N	[-1.6174675,1.109638,0.16810587,0.54840547,-1.0651248]	f	\N
\.


--
-- Data for Name: movie_embeddings_run_1_profile; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.movie_embeddings_run_1_profile (model_run_id, part, movie_index, bias, embedding, folded_in, spread) FROM stdin;
1	profile	0	\N	[1.8284303,2.0200734,-1.064771,0.37281513,-0.6733024]	f	\N
1	profile	1	\N	[-0.023569936,-1.2656369,1.8671455,-0.9691795,-0.2960838]	f	\N
1	profile	2	\N	[0.5014829,-0.64756066,-0.23931243,-0.5636398,-0.13346076]	f	\N
1	profile	3	\N	[-1.1705426,-0.43798807,-0.20689292,-0.33372602,0.056689955]	f	\N
1	profile	4	\N	[-0.2931022,0.7532114,-0.32319593,-0.1366496,-0.66478133]	f	\N
1	profile	5	\N	[-0.5265148,-1.2644928,0.51878494,-1.142518,-0.7458564]	f	\N
1	profile	6	\N	[0.35924464,0.40257338,-0.40011474,-2.019266,0.4205133]	f	\N
1	profile	7	\N	[0.25956345,-1.4123812,0.7703221,-0.7010998,-1.1261882]	f	\N
1	profile	8	\N	[0.095730714,-0.17847043,0.20262401,-1.605748,1.8122301]	f	\N
1	profile	9	\N	[-0.6026586,-1.5396593,0.6188422,-0.35480413,0.3248585]	f	\N
1	profile	10	\N	[-0.33960843,-0.05974036,0.24577284,-0.7466529,0.6787396]	f	\N
1	profile	11	\N	[-0.4699001,-0.86968714,0.077032425,0.44504127,-0.22907934]	f	\N
1	profile	12	\N	[-0.8625198,0.61978555,-1.7603288,-1.0308641,0.03952289]	f	\N
1	profile	13	\N	[-1.3610594,0.027994264,-0.054863118,0.8987398,-0.91479033]	f	\N
1	profile	14	\N	[-0.6259065,0.33318168,-2.4575636,3.1000423,-0.6986507]	f	\N
1	profile	15	\N	[-0.72983503,0.8611275,-0.039831843,-1.7794286,0.6269274]	f	\N
1	profile	16	\N	[0.85537785,-0.44994628,-0.28160036,0.4859846,-0.9087803]	f	\N
1	profile	17	\N	[0.43838856,0.19929852,-0.6749326,-1.3921019,-0.22560583]	f	\N
1	profile	18	\N	[-0.87542224,1.0014102,0.14408536,0.7820845,0.13462193]	f	\N
1	profile	19	\N	[0.26290113,-0.7829989,0.6680474,1.7846982,-0.30968755]	f	\N
\.


--
-- Data for Name: movie_embeddings_run_1_rating; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.movie_embeddings_run_1_rating (model_run_id, part, movie_index, bias, embedding, folded_in, spread) FROM stdin;
1	rating	0	0.3816935	[0.34558418,0.82161814,0.33043706,-1.3031572,0.9053559]	f	1.6560272
1	rating	1	-0.0075900992	[0.44637457,-0.5369532,0.5811181,0.3645724,0.2941325]	f	0.6634783
1	rating	2	0.082314484	[0.028422242,0.546713,-0.73645407,-0.16290995,-0.48211932]	f	1.9188962
1	rating	3	-0.1735281	[0.5988462,0.039722107,-0.29245675,-0.78190845,-0.25719225]	f	1.5118561
1	rating	4	-0.3452884	[0.008142181,-0.2756029,1.2940638,1.0067244,-2.7111626]	f	0.5937436
1	rating	5	0.13410544	[-1.8890133,-0.1747721,-0.4221904,0.213643,0.21732193]	f	1.7561547
1	rating	6	0.080511935	[2.1178389,-1.1120207,-0.37760502,2.0427716,0.646703]	f	1.9578556
1	rating	7	-0.33210397	[0.66306335,-0.5140064,-1.6480752,0.16746475,0.10901409]	f	1.7566215
1	rating	8	0.17559974	[-1.227352,-0.68322664,-0.07204368,-0.9447516,-0.09826997]	f	0.51467735
1	rating	9	-0.5225182	[0.09548303,0.035586238,-0.5062917,0.5937481,0.8911669]	f	1.2096334
1	rating	10	-0.05369955	[0.32084832,-0.8182302,0.73165226,-0.50144005,0.87916064]	f	1.3837607
1	rating	11	-0.18909416	[-1.0717874,0.9144672,-0.020063454,-1.2487489,-0.31389946]	f	1.831998
1	rating	12	-0.15878287	[0.05410228,0.27279133,-0.9821881,-1.107373,0.19958453]	f	1.2541407
1	rating	13	-0.32503733	[-0.4667496,0.23550561,0.7595195,-1.6487874,0.25438812]	f	0.61598575
1	rating	14	0.28574824	[1.2246469,-0.29752684,-0.81081456,0.7522438,0.25344652]	f	1.9002882
1	rating	15	0.16978446	[0.8958831,-0.3452157,-1.4818183,-0.110010765,-0.44582814]	f	1.9276037
1	rating	16	0.3550261	[0.7753238,0.19363284,-1.6308492,-1.1951631,0.88378906]	f	1.2292433
1	rating	17	0.039149206	[0.67976505,-0.64024335,-0.0010487966,0.44557357,0.46840432]	f	0.58016413
1	rating	18	-0.3894161	[0.8762422,0.25648564,-0.09482834,-0.25884807,1.0557429]	f	1.7583361
1	rating	19	-0.113700464	[-2.2508543,-0.13865532,0.033000104,-1.425349,0.33281362]	f	1.612509
\.


--
-- Data for Name: movie_embeddings_run_1_similarity; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.movie_embeddings_run_1_similarity (model_run_id, part, movie_index, bias, embedding, folded_in, spread) FROM stdin;
1	similarity	0	\N	[-0.5927745,-0.1578367,-0.4812803,-0.7014793,0.13819364]	f	\N
1	similarity	1	\N	[-0.29091755,1.4388736,0.00020164295,0.32391196,0.9520219]	f	\N
1	similarity	2	\N	[-0.30075586,1.4367366,-0.6326942,-0.8083277,-0.36626703]	f	\N
1	similarity	3	\N	[-0.114717394,-1.4013182,-0.035094783,-1.6674865,1.3921384]	f	\N
1	similarity	4	\N	[-0.08099695,-0.6419577,-0.9083381,-0.38443047,-0.22307947]	f	\N
1	similarity	5	\N	[-1.044511,-0.9197951,-0.187175,-0.5207837,0.9392131]	f	\N
1	similarity	6	\N	[1.1378704,0.016021203,0.47359958,-1.3351884,0.63741773]	f	\N
1	similarity	7	\N	[-0.03058347,0.4846683,1.6003561,-2.2808578,0.26094818]	f	\N
1	similarity	8	\N	[-1.0991191,0.5921967,-1.3133135,-0.49539956,0.20273376]	f	\N
1	similarity	9	\N	[0.61350936,0.07479409,-0.79283094,-0.55353224,0.8845029]	f	\N
1	similarity	10	\N	[-0.005499616,-1.6838144,0.8436627,0.41624847,0.8734155]	f	\N
1	similarity	11	\N	[-0.33662745,0.82815653,-1.061065,0.5699998,-0.49038032]	f	\N
1	similarity	12	\N	[0.6743517,1.0056441,-0.73599017,-0.05122948,0.038954627]	f	\N
1	similarity	13	\N	[1.1896648,0.7105581,-1.2192775,0.45760825,0.74508923]	f	\N
1	similarity	14	\N	[2.123806,-1.6791492,-0.5363523,1.3333712,-1.3550704]	f	\N
1	similarity	15	\N	[-1.1994606,0.5170822,1.0184087,-0.6686805,0.54012716]	f	\N
1	similarity	16	\N	[0.11695527,1.518749,-0.0015184397,0.9902473,-0.90311784]	f	\N
1	similarity	17	\N	[-0.18487886,-0.09670445,1.139108,0.57961303,-0.75175315]	f	\N
1	similarity	18	\N	[0.68196774,0.77063125,-0.11164572,-0.25766233,-0.19380325]	f	\N
1	similarity	19	\N	[-1.6949924,0.18874301,0.23457792,-0.8655285,0.74244624]	f	\N
\.


--
-- Data for Name: movie_embeddings_run_2_preference; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.movie_embeddings_run_2_preference (model_run_id, part, movie_index, bias, embedding, folded_in, spread) FROM stdin;
2	preference	0	\N	[-1.57008,-0.2629696,0.4011582,0.9084019,0.6471027]	f	\N
2	preference	1	\N	[2.4573364,0.31868163,-0.4563339,1.8716346,-1.0472181]	f	\N
2	preference	2	\N	[0.9684776,-0.95514476,0.35411167,-1.9683968,0.8992737]	f	\N
2	preference	3	\N	[-0.15824762,-0.96768147,1.678419,0.7653547,0.045807835]	f	\N
2	preference	4	\N	[-0.7454434,-0.04336259,-0.16392876,0.7247765,0.7980752]	f	\N
2	preference	5	\N	[-0.6677564,-0.5493706,-0.53206533,-1.3493172,-0.5915749]	f	\N
2	preference	6	\N	[-0.09240807,0.69095194,1.3203795,-0.80834585,0.5509765]	f	\N
2	preference	7	\N	[-0.44445682,2.0751877,-0.048723545,0.502127,-0.9361622]	f	\N
2	preference	8	\N	[-0.81068945,0.20169531,-0.38405445,0.3532886,-1.5618241]	f	\N
2	preference	9	\N	[0.66200495,-0.89948034,1.7224234,-0.28846723,1.097265]	f	\N
2	preference	10	\N	[-1.3949833,0.42894626,-0.88802963,-0.48688906,0.024596382]	f	\N
2	preference	11	\N	[-0.31707495,0.2642556,0.74765545,0.65278214,-0.087481484]	f	\N
2	preference	12	\N	[-1.3634305,-0.80464613,-0.19575621,-2.121826,0.75208056]	f	\N
2	preference	13	\N	[-0.2396382,-0.2513193,0.94837624,0.6679105,0.22100097]	f	\N
2	preference	14	\N	[-1.0013336,0.3104216,0.34617755,-0.8847733,1.0433118]	f	\N
2	preference	15	\N	[0.5078872,-1.9696244,0.12194945,-1.264698,1.1363151]	f	\N
2	preference	16	\N	[0.80702794,-1.1035907,-0.8848727,0.10185328,-0.23881082]	f	\N
2	preference	17	\N	[1.5252031,0.74097383,-0.28242725,0.5773959,-2.0322793]	f	\N
2	preference	18	\N	[0.3098647,0.86640704,-0.17895252,-0.7102142,0.56583345]	f	\N
2	preference	19	\N	[1.9586147,0.20486893,-1.1206777,1.4458048,-1.8785474]	f	\N
\.


--
-- Data for Name: movie_embeddings_run_2_profile; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.movie_embeddings_run_2_profile (model_run_id, part, movie_index, bias, embedding, folded_in, spread) FROM stdin;
2	profile	0	\N	[0.5032049,-0.58195466,0.93059844,-0.8494744,1.3238478]	f	\N
2	profile	1	\N	[0.3002731,-1.7268406,-1.973813,-0.3160955,1.2942116]	f	\N
2	profile	2	\N	[0.12703003,0.0671207,-0.23590383,0.7379002,0.3773268]	f	\N
2	profile	3	\N	[0.2803459,-0.9847229,1.1878533,1.3630804,-1.3013536]	f	\N
2	profile	4	\N	[2.301495,0.7225066,-0.488006,-1.9043559,0.6568464]	f	\N
2	profile	5	\N	[0.5575114,-0.59563184,-1.7905532,1.1244768,-0.58831894]	f	\N
2	profile	6	\N	[-0.47174507,2.8456452,2.1279721,0.9537367,-0.45542103]	f	\N
2	profile	7	\N	[0.64946127,-2.2814698,0.1065327,-0.75981826,-1.2856052]	f	\N
2	profile	8	\N	[-1.5828044,0.5251416,0.08930037,0.15972367,0.84237605]	f	\N
2	profile	9	\N	[-0.84608376,-1.2355845,-1.7763654,-0.33519658,0.7601562]	f	\N
2	profile	10	\N	[-0.14942352,0.6411282,-1.1810538,-0.46912134,-0.7659367]	f	\N
2	profile	11	\N	[-1.2483778,1.8594736,0.8521408,-0.7618005,-0.7660172]	f	\N
2	profile	12	\N	[-0.057196856,-1.4420539,0.43582717,-1.2942388,-0.37043297]	f	\N
2	profile	13	\N	[-1.0248226,-0.4798483,-1.3311572,-1.572822,-0.96614087]	f	\N
2	profile	14	\N	[-0.68000984,-0.29488942,0.06898363,1.5268961,0.8122518]	f	\N
2	profile	15	\N	[-0.2528992,0.72591835,-0.68889725,1.4484913,0.549477]	f	\N
2	profile	16	\N	[-1.3558394,0.7553855,0.8160924,-2.6855953,-0.748095]	f	\N
2	profile	17	\N	[-0.47382253,-1.9285122,-1.0671775,-0.9483582,0.5070958]	f	\N
2	profile	18	\N	[0.30046317,2.6261737,-0.3942594,1.153231,0.07884648]	f	\N
2	profile	19	\N	[0.2709258,-1.1596298,-1.9108998,-0.7671482,0.7621686]	f	\N
\.


--
-- Data for Name: movie_embeddings_run_2_rating; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.movie_embeddings_run_2_rating (model_run_id, part, movie_index, bias, embedding, folded_in, spread) FROM stdin;
2	rating	0	0.015760573	[0.18905339,-0.5227485,-0.41306356,-2.4414673,1.7997074]	f	0.99339557
2	rating	1	-0.077481814	[1.1441659,-0.32542282,0.7738066,0.28121066,-0.5538228]	f	1.700519
2	rating	2	-0.18983123	[0.97756743,-0.31055656,-0.3288239,-0.79214674,0.45495808]	f	1.3518131
2	rating	3	-0.07629679	[-0.09919805,0.54528874,-0.6071857,0.12682785,-0.892274]	f	0.6370099
2	rating	4	-0.17782313	[0.841465,0.18803509,0.330571,0.41050392,-1.0107574]	f	1.0436491
2	rating	5	-0.7028766	[0.783181,2.0567029,-1.6384425,-1.7294115,-1.5048314]	f	1.9194134
2	rating	6	0.3232227	[0.8414589,0.12871566,1.0783424,0.7224309,0.21057181]	f	1.4823911
2	rating	7	-0.0910418	[0.28403816,-0.1697605,0.86846024,-1.1297159,-0.42185882]	f	1.0548745
2	rating	8	-0.28489122	[0.24293885,1.8014208,-0.76446414,-1.0790604,-0.5632872]	f	1.5627565
2	rating	9	0.091923624	[0.9692722,-0.23500551,1.324347,-1.8725295,1.1285231]	f	1.5247368
2	rating	10	-0.19873153	[1.0348662,-1.4186656,0.15358189,1.2157576,0.08791904]	f	0.7374852
2	rating	11	-0.65219927	[0.99970144,2.374887,0.27393225,-0.2803823,-0.7710522]	f	1.1910875
2	rating	12	0.26607072	[0.6480646,-0.19673006,-0.17874637,-0.105259776,0.6498697]	f	1.7087932
2	rating	13	-0.5030128	[-1.0663396,-1.5298765,-2.4338768,1.1986709,0.07379336]	f	0.67452556
2	rating	14	-0.065522134	[1.5101194,-0.008956298,-0.74215543,0.4779293,-0.076588415]	f	1.3214576
2	rating	15	0.036046874	[-1.2541866,-0.88506657,1.7667793,0.3543506,0.41638654]	f	0.6782911
2	rating	16	0.4049005	[-0.27655172,-0.68971956,0.8916558,-0.104626454,-0.7591081]	f	0.91234386
2	rating	17	0.3570182	[-0.13412853,-0.90560603,0.19004583,1.1292276,-0.83608514]	f	1.6496813
2	rating	18	0.049724426	[1.428544,-0.66761994,0.15341216,-0.8363865,-0.22223517]	f	1.0365473
2	rating	19	-0.22901748	[0.047404412,-0.43468493,-0.7028879,-0.6778862,-0.82115996]	f	1.733624
\.


--
-- Data for Name: movie_embeddings_run_2_similarity; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.movie_embeddings_run_2_similarity (model_run_id, part, movie_index, bias, embedding, folded_in, spread) FROM stdin;
2	similarity	0	\N	[1.5828056,0.60399103,0.4982809,-0.8387669,1.5342939]	f	\N
2	similarity	1	\N	[1.3438063,-0.53083247,-0.04637067,-0.9960519,1.4672068]	f	\N
2	similarity	2	\N	[0.40635416,-0.09506467,0.4069,0.4406223,-0.4114967]	f	\N
2	similarity	3	\N	[-1.2415652,-1.2837454,-1.7383665,0.46125302,2.2185419]	f	\N
2	similarity	4	\N	[-1.6990693,0.13828745,0.41098395,-0.9846257,0.2044258]	f	\N
2	similarity	5	\N	[-1.096937,1.2004021,-0.59424907,0.10056038,0.6842416]	f	\N
2	similarity	6	\N	[-0.42981938,-1.7912308,-0.53125566,0.76299524,-0.084532656]	f	\N
2	similarity	7	\N	[0.22978918,-1.0804018,0.14322291,0.728167,0.03644802]	f	\N
2	similarity	8	\N	[1.9080145,-0.20779358,-1.0413502,-1.6176592,1.1520059]	f	\N
2	similarity	9	\N	[-0.059018243,1.0116218,0.45766893,1.6250843,1.2661073]	f	\N
2	similarity	10	\N	[-0.37755457,0.2738849,1.085372,-1.2360752,1.450896]	f	\N
2	similarity	11	\N	[1.2119933,0.9829259,-0.20093216,0.30214104,-1.1172392]	f	\N
2	similarity	12	\N	[0.057954174,-0.5873795,0.08656397,-0.49462625,0.28380352]	f	\N
2	similarity	13	\N	[1.1793321,-1.3096032,0.9253909,-1.9918126,-2.1610334]	f	\N
2	similarity	14	\N	[-0.11936868,0.0067293816,0.44280085,-1.6473852,-0.059938643]	f	\N
2	similarity	15	\N	[0.1265247,1.255205,-0.10383958,0.52899176,-0.9774256]	f	\N
2	similarity	16	\N	[-0.18755463,-0.44553533,0.70330435,-0.9888193,-0.83432245]	f	\N
2	similarity	17	\N	[0.5759882,1.7894367,0.38270333,0.3035603,-0.34614238]	f	\N
2	similarity	18	\N	[1.0884253,0.53991693,1.7331927,0.3307115,-0.94867694]	f	\N
2	similarity	19	\N	[-0.5699415,-0.9874045,-1.2508209,1.2637174,0.8073369]	f	\N
\.


--
-- Data for Name: movie_neighbours; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.movie_neighbours (model_run_id, movie_index, neighbours) FROM stdin;
1	0	{8,5,19,4,3,2,15,9,7,11,6,1,12,10,13,18,14,16,17}
1	1	{12,2,16,13,15,11,8,18,19,9,7,6,0,5,17,3,10,4,14}
1	2	{8,12,18,11,1,16,0,19,7,15,13,9,6,4,3,5,17,14,10}
1	3	{5,0,6,9,10,7,19,4,15,8,13,14,2,1,18,12,17,11,16}
1	4	{0,8,3,5,9,14,11,13,2,19,12,10,6,18,7,15,16,17,1}
1	5	{3,19,0,10,15,4,8,9,7,6,1,2,13,11,17,14,12,18,16}
1	6	{7,3,9,18,12,13,15,10,2,0,5,1,19,4,14,8,17,16,11}
1	7	{6,15,3,19,2,0,18,5,17,9,1,10,8,12,4,16,13,14,11}
1	8	{0,2,11,19,4,5,1,12,9,15,13,3,16,18,7,6,10,14,17}
1	9	{13,6,12,3,4,18,0,8,1,5,2,7,11,19,14,10,15,16,17}
1	10	{5,3,14,17,6,15,19,4,7,9,0,13,1,8,16,18,11,12,2}
1	11	{16,8,12,2,13,1,18,4,0,14,9,19,17,15,5,7,6,3,10}
1	12	{18,13,2,11,9,16,1,8,6,14,4,0,7,19,3,15,17,5,10}
1	13	{12,9,18,11,1,16,14,2,6,8,4,3,0,10,5,7,19,15,17}
1	14	{4,10,13,17,18,16,12,11,9,6,3,5,0,2,7,8,1,15,19}
1	15	{19,7,5,1,0,3,2,8,17,6,10,16,18,9,11,12,4,13,14}
1	16	{11,18,12,2,1,17,13,14,8,15,7,19,9,6,4,0,10,5,3}
1	17	{16,10,15,14,7,19,18,11,1,6,5,2,3,12,4,0,8,13,9}
1	18	{12,2,13,16,6,9,1,11,7,14,8,17,15,4,0,3,19,10,5}
1	19	{15,5,0,8,7,3,1,2,10,4,9,6,11,17,16,12,18,13,14}
2	0	{1,8,10,14,12,17,9,18,11,13,3,5,2,16,7,15,4,19,6}
2	1	{8,0,12,10,14,3,13,7,19,9,16,6,18,11,17,4,2,5,15}
2	2	{18,11,7,15,13,17,9,16,6,0,19,1,12,8,14,10,4,3,5}
2	3	{19,6,5,12,7,1,9,4,8,10,0,14,16,13,15,2,17,11,18}
2	4	{10,14,5,16,12,3,13,6,19,9,15,17,1,0,8,18,7,2,11}
2	5	{4,9,3,17,15,10,19,0,14,8,11,1,6,12,16,18,7,2,13}
2	6	{7,19,3,12,2,13,16,1,4,9,8,5,14,18,10,11,15,0,17}
2	7	{6,19,2,3,12,1,13,9,18,16,8,0,11,10,4,15,14,17,5}
2	8	{1,0,12,14,10,13,3,11,16,17,19,7,5,6,18,9,4,2,15}
2	9	{5,17,19,0,15,3,2,10,18,7,11,1,6,4,8,12,14,16,13}
2	10	{14,0,4,1,12,8,5,16,9,3,18,17,13,19,7,6,2,15,11}
2	11	{15,17,18,2,13,8,0,9,16,1,14,5,7,19,6,10,12,4,3}
2	12	{1,14,8,10,16,13,6,3,0,7,4,19,18,2,5,9,11,17,15}
2	13	{16,14,12,18,2,11,8,1,7,6,0,4,10,15,17,3,19,5,9}
2	14	{16,10,13,12,4,8,1,0,18,5,17,11,3,15,2,6,7,9,19}
2	15	{17,11,18,2,5,9,13,16,4,0,14,19,8,7,10,6,3,1,12}
2	16	{13,14,12,4,18,10,2,6,11,8,1,7,15,0,17,5,3,19,9}
2	17	{15,11,18,9,2,5,0,10,8,14,13,16,1,4,19,7,3,12,6}
2	18	{2,11,17,15,13,16,0,9,7,14,10,1,8,12,4,6,5,19,3}
2	19	{3,6,7,9,5,12,1,8,4,2,15,0,10,11,17,13,16,14,18}
\.


--
-- Data for Name: movies; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.movies (movie_index, movie_id, title, genres, release_year) FROM stdin;
0	113	\N	{}	\N
1	115	\N	{}	\N
2	102	\N	{}	\N
3	104	\N	{}	\N
4	101	\N	{}	\N
5	106	\N	{}	\N
6	112	\N	{}	\N
7	119	\N	{}	\N
8	118	\N	{}	\N
9	108	\N	{}	\N
10	107	\N	{}	\N
11	116	\N	{}	\N
12	111	\N	{}	\N
13	105	\N	{}	\N
14	114	\N	{}	\N
15	117	\N	{}	\N
16	103	\N	{}	\N
17	100	\N	{}	\N
18	109	\N	{}	\N
19	110	\N	{}	\N
\.


--
-- Data for Name: outcomes; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.outcomes (experiment_id, user_id, outcome_id, value, occurred_at) FROM stdin;
\.


--
-- Data for Name: publications; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.publications (publication_id, model_run_id, action, published_at) FROM stdin;
1	1	publish	2026-11-28 07:46:54.954263+00
2	2	publish	2026-11-28 07:46:55.003491+00
\.


--
-- Data for Name: ratings; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.ratings (user_index, movie_index, rating, rated_at) FROM stdin;
0	0	5	1999-06-14 06:13:45+00
0	1	4	2000-09-06 08:18:09+00
0	2	4	1999-05-16 10:58:34+00
0	4	3	1999-06-11 07:10:11+00
0	5	4	2001-01-31 14:39:24+00
0	6	2	2000-11-26 23:33:05+00
0	7	1	1998-07-09 22:09:29+00
0	8	3	1999-01-26 19:27:51+00
0	9	5	2000-03-11 15:28:24+00
0	13	2	2000-12-09 14:35:45+00
0	14	1	2000-08-09 12:48:27+00
0	15	4	1999-06-23 01:46:38+00
0	17	4	2000-07-06 22:07:48+00
0	18	3	2000-09-19 02:07:13+00
0	19	2	1998-11-28 17:54:47+00
1	1	2	1999-12-20 02:44:10+00
1	4	2	2001-07-02 14:58:31+00
1	5	1	2000-10-31 13:47:59+00
1	6	5	1998-11-09 05:21:30+00
1	7	1	2001-04-30 07:58:12+00
1	8	3	2000-04-13 15:14:04+00
1	10	5	1999-09-26 07:45:39+00
1	11	3	1999-07-18 10:43:12+00
1	12	1	2000-12-14 02:41:50+00
1	13	2	1999-08-09 20:56:09+00
1	14	2	1998-07-25 03:57:47+00
1	17	2	2000-06-29 07:44:32+00
2	2	3	2000-08-19 22:22:04+00
2	3	2	1998-08-22 17:54:35+00
2	5	4	2000-03-15 14:11:23+00
2	8	1	1999-12-01 00:58:27+00
2	9	3	1999-01-25 14:21:06+00
2	12	3	2001-04-21 16:09:01+00
2	13	2	1999-08-09 20:14:30+00
2	15	5	2001-05-26 19:03:03+00
2	17	5	1999-02-11 10:14:28+00
2	18	3	2001-06-26 03:41:46+00
3	1	4	2001-04-17 15:26:29+00
3	3	2	1998-08-31 13:47:40+00
3	4	3	2000-10-03 21:46:42+00
3	6	2	2000-08-14 21:01:35+00
3	8	2	2000-09-05 07:04:06+00
3	11	1	2000-11-14 13:12:59+00
3	12	3	1999-05-08 10:15:45+00
3	14	2	2000-02-27 03:59:03+00
3	15	4	2000-02-06 09:43:49+00
3	17	5	2000-09-07 11:36:41+00
3	19	4	2000-08-07 10:30:27+00
4	1	4	2000-02-14 00:42:36+00
4	2	5	2001-04-23 09:41:00+00
4	4	1	2000-07-13 08:29:48+00
4	6	1	1999-11-22 22:11:47+00
4	7	1	2000-05-30 23:07:46+00
4	10	1	1999-07-21 11:38:40+00
4	11	2	2000-07-03 23:17:37+00
4	13	5	2001-06-09 15:10:45+00
4	16	5	1998-10-17 02:25:08+00
4	17	3	2000-03-05 06:07:41+00
4	18	2	1998-08-01 19:51:56+00
5	0	1	2001-02-06 01:19:33+00
5	3	5	2000-02-27 11:41:31+00
5	5	5	1999-09-29 15:53:49+00
5	6	3	1998-09-12 03:23:04+00
5	7	1	1999-03-30 05:28:12+00
5	8	2	1999-04-12 15:29:57+00
5	10	4	2000-03-27 07:27:39+00
5	11	3	1998-08-06 15:51:32+00
5	12	1	1999-12-11 16:23:48+00
5	17	2	1998-11-29 11:50:32+00
6	4	1	2001-02-28 18:40:24+00
6	5	1	2000-05-07 20:37:38+00
6	7	3	2001-05-25 00:18:12+00
6	11	4	2001-03-12 06:27:14+00
6	12	1	2000-09-18 05:31:15+00
6	15	1	2001-03-27 08:01:57+00
6	16	5	2001-08-23 17:48:24+00
6	17	4	2000-07-24 18:10:46+00
6	18	2	1998-08-31 22:49:07+00
7	1	2	2000-06-05 04:31:11+00
7	2	2	2000-07-06 05:53:12+00
7	5	3	1999-11-05 17:27:50+00
7	7	2	2000-08-25 02:09:33+00
7	8	3	2000-06-09 22:32:08+00
7	17	4	1999-12-12 06:13:23+00
7	18	1	2000-02-10 22:20:37+00
8	0	5	2001-03-10 16:40:05+00
8	2	4	1999-09-28 02:16:21+00
8	6	3	1999-03-09 11:13:06+00
8	7	4	2001-06-16 15:49:57+00
8	9	1	2000-11-26 18:52:31+00
8	10	2	1999-08-16 19:28:00+00
8	11	5	2000-07-10 06:53:41+00
8	12	5	2001-01-22 06:18:56+00
8	13	3	2000-10-03 22:07:02+00
8	17	4	2000-07-08 20:08:45+00
8	19	5	2001-04-30 21:24:38+00
9	2	3	2000-11-05 21:01:11+00
9	4	3	2001-02-17 22:58:04+00
9	5	5	1999-12-11 07:43:18+00
9	6	5	1998-09-04 22:50:20+00
9	7	4	1998-08-03 13:46:35+00
9	9	1	2001-05-19 23:37:42+00
9	10	4	1999-07-29 18:20:33+00
9	11	5	1998-12-25 12:51:21+00
9	13	5	2001-08-04 22:48:33+00
9	14	4	1999-06-14 17:45:46+00
9	17	2	2000-03-31 23:34:22+00
9	18	4	1999-05-13 23:58:29+00
10	2	4	1999-05-09 08:59:51+00
10	3	1	2000-02-03 07:17:07+00
10	4	5	2001-07-08 19:19:25+00
10	5	3	2001-08-01 17:44:21+00
10	10	3	1999-09-12 01:37:55+00
10	13	1	1999-05-15 07:01:37+00
10	15	5	1998-12-09 08:32:40+00
10	16	3	1999-01-19 10:24:14+00
10	17	4	2001-04-25 22:44:26+00
11	1	2	1999-10-18 02:36:49+00
11	2	1	2000-11-10 16:18:12+00
11	3	5	2001-02-16 23:16:53+00
11	5	2	1999-12-20 00:32:42+00
11	7	2	1999-08-24 05:33:38+00
11	11	5	2000-09-01 19:04:50+00
11	12	2	2001-03-27 01:39:29+00
11	13	2	1999-05-26 06:11:03+00
11	17	1	1999-12-14 02:31:13+00
12	1	5	1999-08-06 23:11:55+00
12	2	2	2000-06-02 11:34:58+00
12	3	5	2000-12-16 15:03:42+00
12	5	5	2000-10-07 16:42:49+00
12	7	1	1999-08-26 16:09:35+00
12	9	1	1999-07-22 17:47:03+00
12	10	5	2001-05-28 18:50:33+00
12	12	3	2001-02-15 02:21:03+00
12	15	2	1998-11-10 07:48:57+00
12	17	2	1998-10-25 07:04:05+00
12	18	3	1999-04-23 13:16:13+00
13	0	1	1999-06-23 20:08:55+00
13	1	4	1999-05-05 05:12:01+00
13	2	2	1999-08-01 07:00:33+00
13	3	1	2001-03-23 07:03:05+00
13	4	4	2000-04-28 08:02:25+00
13	5	5	2000-06-12 08:54:26+00
13	6	5	2001-05-09 16:34:44+00
13	7	3	1999-05-26 10:20:25+00
13	8	4	2000-01-19 03:49:22+00
13	9	5	1998-07-14 02:08:07+00
13	10	2	2001-04-10 22:16:34+00
13	11	2	2000-08-06 04:11:55+00
13	12	1	1998-10-09 17:45:56+00
13	13	3	1998-09-28 08:21:07+00
13	14	2	1998-11-10 17:19:55+00
13	15	5	1999-06-11 16:47:19+00
13	16	3	1999-05-24 07:47:39+00
13	17	5	1999-03-21 23:13:25+00
13	18	5	1998-07-15 18:12:46+00
13	19	1	2000-04-22 15:36:48+00
14	0	3	1999-06-11 18:34:32+00
14	3	5	2000-03-29 12:25:42+00
14	4	5	2000-08-18 10:49:00+00
14	5	4	1999-09-21 09:58:27+00
14	10	2	2000-12-18 06:54:56+00
14	11	1	2000-05-20 18:21:05+00
14	13	3	1998-07-09 21:16:40+00
14	16	3	2001-05-18 22:06:49+00
14	17	4	1998-10-15 21:05:23+00
14	18	5	2000-08-14 05:40:32+00
15	0	4	2001-07-01 09:47:43+00
15	3	4	2000-06-02 07:25:05+00
15	5	4	2000-02-27 22:33:33+00
15	8	1	2001-07-27 11:37:45+00
15	9	2	2000-03-05 14:48:09+00
15	11	1	1999-05-31 04:26:51+00
15	14	5	2000-06-30 06:36:36+00
15	16	4	2001-04-25 13:00:07+00
15	17	1	1999-02-13 07:47:02+00
16	0	4	2000-05-13 20:37:05+00
16	1	3	2000-12-13 20:16:31+00
16	4	5	2000-05-25 00:54:27+00
16	6	1	2001-03-13 19:16:47+00
16	7	1	1999-04-05 03:17:35+00
16	10	2	2000-12-22 02:33:58+00
16	13	5	1999-08-13 10:35:40+00
16	14	2	1999-08-12 18:58:53+00
16	16	1	2000-09-09 06:30:04+00
16	17	3	2000-11-14 16:10:26+00
16	19	3	2000-05-18 19:52:55+00
17	0	3	2001-03-30 20:39:12+00
17	1	3	1999-08-03 04:51:36+00
17	2	1	2000-04-27 12:05:29+00
17	3	4	2000-12-21 17:25:21+00
17	7	5	2000-12-22 21:51:50+00
17	10	5	2000-04-17 13:15:31+00
17	11	4	2001-06-10 03:23:20+00
17	14	4	1998-08-26 18:24:08+00
17	15	3	2000-12-16 15:53:51+00
17	16	5	2001-03-01 07:04:38+00
17	17	3	1999-04-15 20:50:40+00
17	19	2	2000-12-01 07:57:41+00
18	0	1	2000-02-18 02:56:06+00
18	1	1	1999-12-30 01:16:13+00
18	2	3	2001-05-16 00:44:57+00
18	3	4	2001-09-08 12:25:05+00
18	5	1	2000-07-06 18:27:58+00
18	6	5	2000-01-30 09:56:03+00
18	11	5	1999-06-03 03:28:04+00
18	12	1	2001-07-07 14:49:58+00
18	13	1	1999-05-04 08:14:21+00
18	14	3	1999-05-17 15:35:14+00
18	17	3	1998-08-15 18:26:56+00
18	19	5	1999-05-23 17:32:29+00
20	1	3	1999-09-07 03:31:53+00
20	3	4	2001-02-12 09:04:50+00
20	7	4	1999-04-26 14:11:05+00
20	9	3	1999-04-17 02:08:03+00
20	12	2	2000-04-29 17:15:55+00
20	15	5	1999-10-28 15:49:29+00
20	16	3	1999-11-25 19:53:24+00
20	17	3	1999-01-25 10:18:43+00
20	18	1	1999-08-11 11:03:35+00
20	19	4	1999-03-27 06:31:49+00
21	0	3	2000-05-05 22:04:29+00
21	2	1	1999-11-18 03:00:05+00
21	3	3	2001-01-09 03:45:36+00
21	4	1	2001-08-10 06:49:49+00
21	5	3	2000-07-21 10:53:00+00
21	9	2	1999-09-25 11:03:24+00
21	10	2	1998-09-24 07:13:04+00
21	11	3	2001-01-09 03:59:40+00
21	15	3	2000-02-04 19:44:42+00
21	16	1	1998-10-08 00:08:43+00
21	17	1	2000-11-14 15:07:44+00
22	0	1	1999-01-06 23:08:10+00
22	3	2	2001-09-01 23:58:07+00
22	6	3	2000-07-21 14:44:16+00
22	8	5	1999-06-17 10:39:36+00
22	11	1	2000-06-16 23:44:51+00
22	12	2	1999-09-23 00:58:04+00
22	17	1	1999-11-26 04:50:06+00
23	1	1	2001-02-21 13:33:39+00
23	3	1	2000-06-05 11:14:03+00
23	7	1	2000-12-18 22:07:07+00
23	8	5	2000-07-03 09:20:38+00
23	10	3	2000-05-20 08:54:22+00
23	12	4	2001-03-10 02:33:05+00
23	13	5	2000-12-02 05:25:22+00
23	16	3	1999-07-28 13:21:26+00
23	17	2	2000-08-03 13:19:42+00
23	19	4	1999-06-03 19:49:19+00
24	2	3	2000-06-09 14:29:49+00
24	3	5	1999-12-23 16:22:53+00
24	4	5	2000-10-11 21:15:54+00
24	5	5	1999-05-21 18:09:32+00
24	8	5	2001-03-28 04:37:23+00
24	14	4	2000-12-10 07:06:17+00
24	15	5	1998-11-01 15:52:39+00
24	16	4	2001-07-29 04:15:55+00
24	17	5	1998-07-10 11:07:17+00
24	19	2	1998-11-15 19:33:20+00
25	0	5	2001-07-29 15:39:15+00
25	1	5	2001-03-08 05:09:15+00
25	2	1	2001-01-25 05:06:22+00
25	7	2	2000-04-23 03:46:57+00
25	9	2	2000-04-05 17:47:20+00
25	10	3	2000-04-06 22:39:48+00
25	13	1	2000-02-12 10:11:20+00
25	17	3	1999-06-02 07:22:46+00
26	0	2	2001-02-21 17:24:51+00
26	3	1	2000-10-04 01:38:51+00
26	4	4	1999-01-13 16:19:04+00
26	5	5	1999-09-22 11:46:29+00
26	6	1	1999-11-05 05:16:10+00
26	7	4	1998-08-11 09:43:17+00
26	8	2	2000-03-15 00:06:56+00
26	9	3	2000-12-10 02:39:29+00
26	12	2	2001-03-19 11:53:40+00
26	13	5	2000-09-04 22:22:40+00
26	14	3	2000-07-27 17:01:41+00
26	16	3	2000-08-16 17:05:18+00
26	17	2	2001-04-24 10:03:00+00
26	18	5	2001-06-10 08:30:01+00
26	19	4	1998-07-18 08:35:26+00
27	0	2	2001-05-03 13:54:25+00
27	2	2	2000-10-10 14:40:29+00
27	6	5	2000-04-07 17:18:18+00
27	7	1	1998-12-17 13:03:32+00
27	8	3	1998-08-18 19:26:00+00
27	11	5	1998-07-24 17:19:27+00
27	15	5	2000-04-26 08:20:32+00
27	17	5	2000-11-26 14:58:55+00
28	0	4	2000-04-14 12:02:34+00
28	3	1	1998-10-06 17:24:31+00
28	5	1	2001-05-24 04:22:10+00
28	7	2	1999-06-11 06:34:43+00
28	9	5	2000-03-18 10:26:49+00
28	10	2	1999-09-07 18:49:00+00
28	12	4	2000-09-26 18:59:48+00
28	13	5	2000-10-09 14:08:24+00
28	16	5	1999-02-22 18:47:04+00
28	17	2	1998-09-27 19:46:18+00
28	18	4	2000-09-04 14:01:22+00
29	0	3	2000-09-04 08:31:00+00
29	1	2	2001-03-08 20:30:29+00
29	3	1	2001-04-21 01:38:14+00
29	7	1	2000-03-02 22:49:28+00
29	13	3	1998-10-02 10:30:39+00
29	14	1	1998-10-28 01:49:32+00
29	15	5	2001-07-02 18:14:56+00
29	16	3	2001-08-06 00:45:55+00
29	17	5	2001-01-13 06:09:24+00
29	18	4	1999-09-19 12:33:35+00
29	19	1	1999-02-02 08:52:32+00
\.


--
-- Data for Name: run_matrices; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.run_matrices (model_run_id, matrix, row_number, bias, embedding) FROM stdin;
\.


--
-- Data for Name: tuning_trials; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.tuning_trials (trial_id, architecture, ratings_sha256, options, metric, value, tried_at) FROM stdin;
\.


--
-- Data for Name: user_embeddings_run_1_preference; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.user_embeddings_run_1_preference (model_run_id, part, user_index, bias, embedding, fingerprint, spread) FROM stdin;
1	preference	0	\N	[-1.1292338,-0.5591399,-0.768673,-1.495646,0.96126825]	\N	\N
1	preference	1	\N	[1.3109972,0.8000432,0.24257031,-0.052031383,0.2393803]	\N	\N
1	preference	2	\N	[-0.73155594,0.8938456,1.0454923,0.9325435,-0.5309482]	\N	\N
1	preference	3	\N	[0.078404345,-0.16578081,1.7885748,0.1796962,-1.8820709]	\N	\N
1	preference	4	\N	[0.39850566,1.8822663,0.6851757,0.8794797,0.03606127]	\N	\N
1	preference	5	\N	[-1.9713895,-1.8102578,-1.2459477,-0.12683204,0.30999848]	\N	\N
1	preference	6	\N	[0.68941414,-0.34045804,0.95692927,-0.27974877,-0.7044895]	\N	\N
1	preference	7	\N	[0.8516417,-0.914445,-2.729085,-1.0599568,0.09415954]	\N	\N
1	preference	8	\N	[-3.0801778,-0.35713804,-0.33209035,-1.426456,-1.4825034]	\N	\N
1	preference	9	\N	[-0.46246195,-0.5471002,1.2599185,0.37486306,-1.5808555]	\N	\N
1	preference	10	\N	[-0.85465145,0.70514154,1.8959768,0.3864995,0.31071255]	\N	\N
1	preference	11	\N	[1.8607525,-0.022671444,-0.30910096,-1.4132488,-0.5130161]	\N	\N
1	preference	12	\N	[2.1787128,-1.4217414,0.011191707,-1.4083275,0.12847576]	\N	\N
1	preference	13	\N	[0.8876472,-0.24364932,0.7303473,0.72084385,0.44702482]	\N	\N
1	preference	14	\N	[1.716248,0.77883756,-0.30495957,-0.68082356,-0.84530634]	\N	\N
1	preference	15	\N	[0.47586745,-0.32372183,2.729167,1.8424476,-0.214524]	\N	\N
1	preference	16	\N	[-0.32913125,1.6901766,-1.8833598,-0.45155105,0.95075697]	\N	\N
1	preference	17	\N	[-0.9120976,-0.47682998,-0.35114115,0.6608085,0.13752688]	\N	\N
1	preference	18	\N	[0.40208742,0.59528375,0.029938228,1.1105661,-0.72895885]	\N	\N
1	preference	20	\N	[0.17416675,-0.5985466,-1.0698556,-0.52888566,-0.40366638]	\N	\N
1	preference	21	\N	[-0.5650994,-1.4325444,-0.47580782,1.0171361,-2.174609]	\N	\N
1	preference	22	\N	[-0.24060868,-2.1213484,0.18304761,-0.7474894,-2.0856876]	\N	\N
1	preference	23	\N	[0.10070219,1.8174053,0.10889153,1.1617914,-0.0715044]	\N	\N
1	preference	24	\N	[-2.1575909,0.4904835,-0.41827932,-1.4620849,0.78483665]	\N	\N
1	preference	25	\N	[0.28685758,-0.52540964,0.8680694,-0.872072,0.6434323]	\N	\N
1	preference	26	\N	[-0.94046044,0.53395474,-1.100748,1.4891882,0.2543075]	\N	\N
1	preference	27	\N	[1.4328752,-0.822446,-0.47610238,0.8396648,-2.7437172]	\N	\N
1	preference	28	\N	[-1.0667908,1.0331769,0.46510932,0.97876936,-0.3097609]	\N	\N
1	preference	29	\N	[0.56399935,-0.73084426,-1.3719604,-1.694795,-0.5517096]	\N	\N
\.


--
-- Data for Name: user_embeddings_run_1_rating; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.user_embeddings_run_1_rating (model_run_id, part, user_index, bias, embedding, fingerprint, spread) FROM stdin;
1	rating	0	-0.16468243	[-1.3729669,-0.5518128,-0.47521907,1.9875098,-1.599184]	2058962756226135691	1.1753241
1	rating	1	-0.18881324	[0.56263024,0.9421233,0.37772557,1.181808,-1.0027376]	3682766576083233758	1.886446
1	rating	2	-1.0646416	[-2.2802587,0.76681787,-1.1958282,-0.32639986,-1.178846]	403179549308638928	0.60685056
1	rating	3	-0.5995811	[1.0523418,0.8651502,-0.7200637,0.90349185,0.12127726]	1189903153809453365	0.7343011
1	rating	4	-0.15978974	[-0.13938883,0.057416663,-0.20274936,0.61500525,0.31034756]	809831670204871618	1.9592487
1	rating	5	0.08610499	[-0.34946716,1.0062557,-0.6114756,0.28693363,0.42215538]	2688304038814356461	1.869877
1	rating	6	-0.17363779	[1.4788071,-0.50544137,1.7430824,0.17616495,-0.19397691]	1312252595084491642	0.7203021
1	rating	7	-0.26306918	[-0.6724728,0.5862934,0.048935246,-1.1036093,-1.1278871]	3144026398361448007	1.9601889
1	rating	8	-0.692542	[-0.5555192,-0.676006,1.0903023,1.3755383,0.8685596]	2093219007948341893	0.89818317
1	rating	9	0.6064498	[0.35786888,-0.4282382,0.054483213,0.88470703,2.1309721]	181154877028585858	1.8381603
1	rating	10	-0.3303334	[0.9128992,-0.28041214,0.038025077,-0.4825449,-0.7823986]	309594311212030818	1.8571628
1	rating	11	0.505019	[-0.184242,0.1956147,1.8359016,0.05203247,1.3573581]	1669682658936775558	0.53561866
1	rating	12	0.46820578	[1.7674891,0.07880787,1.6077989,0.7149354,-0.4175353]	848168349967473702	0.51456743
1	rating	13	0.08217872	[0.26518002,0.022877818,-0.23233902,-0.19878124,0.14420931]	3254895756891164340	0.9904923
1	rating	14	-0.17178284	[0.43418115,-0.88488185,-0.009387662,-1.5223551,0.2607955]	2417731359757254031	1.8967677
1	rating	15	0.03966466	[0.62359947,0.16395484,0.28585315,0.5899431,-0.6651009]	4249582803113448752	1.6870155
1	rating	16	-0.3459126	[-0.23904885,0.510922,1.0018858,0.3949214,2.5528593]	2737638611679763396	1.0802765
1	rating	17	0.07821904	[-0.09136057,0.99966043,1.2667277,-0.13376984,-0.8205129]	2186810196574949203	1.7870163
1	rating	18	0.00088564435	[-1.1826029,0.162277,1.110292,0.2716684,0.17285608]	2532642534092850675	0.96134275
1	rating	20	0.28513107	[-1.3703402,2.175598,-1.3874133,-1.0775205,-1.2008631]	4384743592654642413	0.7857175
1	rating	21	0.51985157	[1.1103678,-0.8880849,0.6686564,0.58751017,0.2596704]	18368980800047931	1.9393266
1	rating	22	-0.11649475	[-1.3075789,-0.6121064,1.673115,-1.2907544,-0.83165497]	4171930276673675432	1.705446
1	rating	23	0.31301653	[-0.16224653,0.80899006,0.2516392,0.74204415,-1.0672942]	1311364717338121304	1.1936373
1	rating	24	-0.23750089	[0.9447766,0.5690288,-1.5945646,1.5399162,2.292398]	4326992534934836341	0.8964149
1	rating	25	-0.2683695	[-0.76857734,0.055652816,1.3974226,-1.4812403,-1.9898603]	627353669859108837	1.9489694
1	rating	26	-0.18541694	[-1.2969441,-0.5670668,-0.5784422,0.6073472,0.26853636]	3324455579890933618	1.09523
1	rating	27	-0.2945897	[-1.2460773,0.56737995,1.8740814,1.1970543,0.99110746]	1433103084619348010	0.81605834
1	rating	28	0.2940793	[0.020177929,0.9836314,-0.9661328,0.75101465,-0.08724842]	2561282174394646905	1.1369846
1	rating	29	0.27697235	[1.1309057,0.46601054,-1.0898798,0.12799296,1.2182214]	2737314945067115978	1.5786825
\.


--
-- Data for Name: user_embeddings_run_2_preference; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.user_embeddings_run_2_preference (model_run_id, part, user_index, bias, embedding, fingerprint, spread) FROM stdin;
2	preference	0	\N	[-0.052700337,0.3138351,1.8891718,0.20439637,-1.413265]	\N	\N
2	preference	1	\N	[0.1307465,-0.59572583,0.39938548,-0.6855278,-0.7084068]	\N	\N
2	preference	2	\N	[-0.5112638,-0.6275627,-1.824781,-0.6682717,-0.014011094]	\N	\N
2	preference	3	\N	[1.2004888,-0.29317802,-0.37174237,0.5798384,0.53940254]	\N	\N
2	preference	4	\N	[1.5995253,0.58511156,-0.019450286,1.338329,1.5294819]	\N	\N
2	preference	5	\N	[-0.47537842,0.15813988,-1.6806406,-0.3641275,-0.8837516]	\N	\N
2	preference	6	\N	[-0.21407247,-0.48163456,-0.16604987,-0.10303453,0.4934681]	\N	\N
2	preference	7	\N	[0.23093848,-0.5618043,-1.289163,1.2348517,1.4173024]	\N	\N
2	preference	8	\N	[-0.45444497,0.5614143,-1.5261049,-1.562215,-0.26988453]	\N	\N
2	preference	9	\N	[1.4716817,-1.0465515,-0.83412427,1.6075947,-1.8934479]	\N	\N
2	preference	10	\N	[0.64622223,0.48781392,-0.20627077,0.18862496,2.6217415]	\N	\N
2	preference	11	\N	[-1.1268432,-0.3139402,-0.23812342,-0.6896811,-1.341883]	\N	\N
2	preference	12	\N	[1.5933002,0.22009507,-1.7579921,-0.70280427,0.4054007]	\N	\N
2	preference	13	\N	[0.40342012,-1.4403272,-0.091426864,0.26088172,0.39257184]	\N	\N
2	preference	14	\N	[0.3945996,-1.8230143,1.8469828,0.21113361,1.8059897]	\N	\N
2	preference	15	\N	[2.863099,-0.16055737,-1.2337627,0.86413056,-0.18083356]	\N	\N
2	preference	16	\N	[-0.45140982,-1.0332863,1.6877846,-0.44267446,-1.3995848]	\N	\N
2	preference	17	\N	[-0.4475714,-1.1572589,0.15790416,-0.41936457,-1.0574242]	\N	\N
2	preference	18	\N	[0.60176617,-0.6434339,0.72376126,1.2609835,-0.36195278]	\N	\N
2	preference	20	\N	[-0.026890794,0.31121463,0.628743,-0.7060629,-0.48253384]	\N	\N
2	preference	21	\N	[0.04358893,-0.66573215,0.13612545,0.53614914,-0.021721859]	\N	\N
2	preference	22	\N	[-0.60354966,-0.7772023,1.7512255,0.8785058,-1.1199214]	\N	\N
2	preference	23	\N	[-0.8410268,1.8738447,1.5112977,0.12817632,1.157849]	\N	\N
2	preference	24	\N	[-1.4869813,0.0013119552,0.7408092,-1.8599674,-0.7829942]	\N	\N
2	preference	25	\N	[0.78285486,1.1316298,-0.5933075,0.28980944,1.6007125]	\N	\N
2	preference	26	\N	[-0.3819331,-1.333364,-0.061407607,-0.39315763,1.3010483]	\N	\N
2	preference	27	\N	[0.16011555,-0.8020946,2.4005446,-0.500117,0.4724458]	\N	\N
2	preference	28	\N	[0.67623156,0.7843221,0.17291589,0.58667386,-0.06790213]	\N	\N
2	preference	29	\N	[-1.419182,-0.21981062,-0.19841206,-0.17772026,0.13609174]	\N	\N
\.


--
-- Data for Name: user_embeddings_run_2_rating; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.user_embeddings_run_2_rating (model_run_id, part, user_index, bias, embedding, fingerprint, spread) FROM stdin;
2	rating	0	-0.18741086	[-1.2386444,1.7813207,0.24456073,-0.956892,0.38622195]	2058962756226135691	1.9166052
2	rating	1	0.39697725	[-0.06919426,-0.7726548,-1.9429343,0.036719903,0.29199585]	3682766576083233758	1.3840147
2	rating	2	0.47001448	[-2.5790775,0.5549073,0.61763334,-0.4697956,0.11212306]	403179549308638928	1.9163771
2	rating	3	-0.66010857	[-0.28065816,-0.8371026,-0.36005497,1.3516039,-1.4506171]	1189903153809453365	1.3238289
2	rating	4	0.002797807	[0.23719229,0.18411775,-0.7076303,-0.4403392,-1.4004134]	809831670204871618	1.0273986
2	rating	5	-0.21317837	[-0.8519622,0.01495183,0.32671592,-0.8983768,3.0563424]	2688304038814356461	1.0547835
2	rating	6	-0.78187317	[-0.57034457,0.12733,-0.23058008,-0.3997798,1.3010689]	1312252595084491642	1.8939515
2	rating	7	0.12304077	[-0.47881138,1.3343889,1.1418163,-1.0456651,1.0354935]	3144026398361448007	1.2813059
2	rating	8	-0.18563989	[-0.6503781,2.7364588,-0.38583037,-0.94092625,-1.9110763]	2093219007948341893	1.0915707
2	rating	9	-0.112720385	[-1.2930452,-0.5806489,-0.9980278,-1.2286869,-0.69533974]	181154877028585858	0.7339768
2	rating	10	-0.19547339	[-0.20654774,1.4493474,-1.7032949,-0.551641,-0.9538936]	309594311212030818	0.7276104
2	rating	11	0.32610166	[-1.5151478,-1.2661366,-0.90573484,0.71704346,-0.19390057]	1669682658936775558	1.1239796
2	rating	12	0.37178946	[-0.5379851,0.6112917,0.2807695,-0.22332884,0.38428584]	848168349967473702	1.1780583
2	rating	13	0.08303862	[-0.82835096,0.6273813,0.46692494,-0.41230428,-1.2194762]	3254895756891164340	1.7063423
2	rating	14	0.20793267	[1.5200644,0.09420101,3.051265,-0.65340906,0.852843]	2417731359757254031	0.68253183
2	rating	15	-0.03372849	[-0.43421915,0.25366804,0.8333912,-0.7993078,-0.10009047]	4249582803113448752	1.1811757
2	rating	16	0.042047773	[0.1609416,0.113480106,0.59645104,1.0255631,0.83362836]	2737638611679763396	0.69950867
2	rating	17	-0.2225288	[0.26301256,-0.34737295,-1.1296836,-0.7354985,-0.5285488]	2186810196574949203	0.8809342
2	rating	18	0.010362841	[0.68271405,-0.36361018,-1.2423388,0.6263471,-0.8032507]	2532642534092850675	1.2396923
2	rating	20	0.11190788	[0.17558914,-0.36416098,-0.8645445,-0.5414529,1.385254]	4384743592654642413	0.6984595
2	rating	21	0.24819936	[-0.45572826,0.71266496,0.7918691,-0.450221,0.44343907]	18368980800047931	0.76137227
2	rating	22	0.09331283	[-0.4502376,-0.6104175,-1.1259943,0.87495625,-0.39815933]	4171930276673675432	1.5592995
2	rating	23	0.35523874	[-0.5521424,-1.1274449,1.8088449,0.7418056,-0.13280447]	1311364717338121304	1.2908276
2	rating	24	0.80707365	[-0.6947344,-1.5297999,0.29181367,0.2884218,-1.4084007]	4326992534934836341	0.6315425
2	rating	25	-0.6319684	[1.1615504,0.7759564,-0.96207374,-0.55569655,-0.42732063]	627353669859108837	1.5215054
2	rating	26	0.004105206	[0.16067897,-0.14556943,-1.6389391,1.4740975,0.3163104]	3324455579890933618	1.9375235
2	rating	27	-0.17060417	[1.2607734,1.2548224,-0.20790082,0.34196213,0.7366646]	1433103084619348010	1.6073823
2	rating	28	-0.13700865	[0.76961344,-0.16391876,-0.61818546,0.035286568,-0.80154276]	2561282174394646905	1.9947224
2	rating	29	-0.40745255	[-0.55593395,-2.0301793,0.08364267,-1.0268914,-0.5558397]	2737314945067115978	1.6141874
\.


--
-- Data for Name: users; Type: TABLE DATA; Schema: embrec; Owner: -
--

COPY embrec.users (user_index, user_id, forgotten_at, labels) FROM stdin;
0	u25	\N	\N
1	u16	\N	\N
2	u24	\N	\N
3	u14	\N	\N
4	u11	\N	\N
5	u1	\N	\N
6	u5	\N	\N
7	u9	\N	\N
8	u22	\N	\N
9	u10	\N	\N
10	u8	\N	\N
11	u28	\N	\N
12	u19	\N	\N
13	u0	\N	\N
14	u27	\N	\N
15	u17	\N	\N
16	u18	\N	\N
17	u23	\N	\N
18	u12	\N	\N
20	u3	\N	\N
21	u6	\N	\N
22	u15	\N	\N
23	u20	\N	\N
24	u13	\N	\N
25	u7	\N	\N
26	u4	\N	\N
27	u21	\N	\N
28	u26	\N	\N
29	u29	\N	\N
19	forgotten 4d40c023-6e22-40a3-8dd8-278609643766	2026-11-28 07:46:55.02615+00	\N
\.


--
-- Name: experiments_experiment_id_seq; Type: SEQUENCE SET; Schema: embrec; Owner: -
--

SELECT pg_catalog.setval('embrec.experiments_experiment_id_seq', 1, true);


--
-- Name: model_runs_model_run_id_seq; Type: SEQUENCE SET; Schema: embrec; Owner: -
--

SELECT pg_catalog.setval('embrec.model_runs_model_run_id_seq', 2, true);


--
-- Name: outcomes_outcome_id_seq; Type: SEQUENCE SET; Schema: embrec; Owner: -
--

SELECT pg_catalog.setval('embrec.outcomes_outcome_id_seq', 1, false);


--
-- Name: publications_publication_id_seq; Type: SEQUENCE SET; Schema: embrec; Owner: -
--

SELECT pg_catalog.setval('embrec.publications_publication_id_seq', 2, true);


--
-- Name: tuning_trials_trial_id_seq; Type: SEQUENCE SET; Schema: embrec; Owner: -
--

SELECT pg_catalog.setval('embrec.tuning_trials_trial_id_seq', 1, false);


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: experiments experiments_name_key; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.experiments
    ADD CONSTRAINT experiments_name_key UNIQUE (name);


--
-- Name: experiments experiments_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.experiments
    ADD CONSTRAINT experiments_pkey PRIMARY KEY (experiment_id);


--
-- Name: exposures exposures_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.exposures
    ADD CONSTRAINT exposures_pkey PRIMARY KEY (experiment_id, user_id);


--
-- Name: load_watermarks load_watermarks_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.load_watermarks
    ADD CONSTRAINT load_watermarks_pkey PRIMARY KEY (source, watermark_column);


--
-- Name: model_runs model_runs_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.model_runs
    ADD CONSTRAINT model_runs_pkey PRIMARY KEY (model_run_id);


--
-- Name: movie_embeddings movie_embeddings_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings
    ADD CONSTRAINT movie_embeddings_pkey PRIMARY KEY (model_run_id, part, movie_index);


--
-- Name: movie_embeddings_run_1 movie_embeddings_run_1_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_1
    ADD CONSTRAINT movie_embeddings_run_1_pkey PRIMARY KEY (model_run_id, part, movie_index);


--
-- Name: movie_embeddings_run_1_preference movie_embeddings_run_1_preference_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_1_preference
    ADD CONSTRAINT movie_embeddings_run_1_preference_pkey PRIMARY KEY (model_run_id, part, movie_index);


--
-- Name: movie_embeddings_run_1_profile movie_embeddings_run_1_profile_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_1_profile
    ADD CONSTRAINT movie_embeddings_run_1_profile_pkey PRIMARY KEY (model_run_id, part, movie_index);


--
-- Name: movie_embeddings_run_1_rating movie_embeddings_run_1_rating_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_1_rating
    ADD CONSTRAINT movie_embeddings_run_1_rating_pkey PRIMARY KEY (model_run_id, part, movie_index);


--
-- Name: movie_embeddings_run_1_similarity movie_embeddings_run_1_similarity_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_1_similarity
    ADD CONSTRAINT movie_embeddings_run_1_similarity_pkey PRIMARY KEY (model_run_id, part, movie_index);


--
-- Name: movie_embeddings_run_2 movie_embeddings_run_2_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_2
    ADD CONSTRAINT movie_embeddings_run_2_pkey PRIMARY KEY (model_run_id, part, movie_index);


--
-- Name: movie_embeddings_run_2_preference movie_embeddings_run_2_preference_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_2_preference
    ADD CONSTRAINT movie_embeddings_run_2_preference_pkey PRIMARY KEY (model_run_id, part, movie_index);


--
-- Name: movie_embeddings_run_2_profile movie_embeddings_run_2_profile_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_2_profile
    ADD CONSTRAINT movie_embeddings_run_2_profile_pkey PRIMARY KEY (model_run_id, part, movie_index);


--
-- Name: movie_embeddings_run_2_rating movie_embeddings_run_2_rating_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_2_rating
    ADD CONSTRAINT movie_embeddings_run_2_rating_pkey PRIMARY KEY (model_run_id, part, movie_index);


--
-- Name: movie_embeddings_run_2_similarity movie_embeddings_run_2_similarity_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_embeddings_run_2_similarity
    ADD CONSTRAINT movie_embeddings_run_2_similarity_pkey PRIMARY KEY (model_run_id, part, movie_index);


--
-- Name: movie_neighbours movie_neighbours_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_neighbours
    ADD CONSTRAINT movie_neighbours_pkey PRIMARY KEY (model_run_id, movie_index);


--
-- Name: movies movies_movie_id_key; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movies
    ADD CONSTRAINT movies_movie_id_key UNIQUE (movie_id);


--
-- Name: movies movies_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movies
    ADD CONSTRAINT movies_pkey PRIMARY KEY (movie_index);


--
-- Name: outcomes outcomes_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.outcomes
    ADD CONSTRAINT outcomes_pkey PRIMARY KEY (experiment_id, user_id, outcome_id);


--
-- Name: publications publications_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.publications
    ADD CONSTRAINT publications_pkey PRIMARY KEY (publication_id);


--
-- Name: ratings ratings_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.ratings
    ADD CONSTRAINT ratings_pkey PRIMARY KEY (user_index, movie_index);


--
-- Name: run_matrices run_matrices_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.run_matrices
    ADD CONSTRAINT run_matrices_pkey PRIMARY KEY (model_run_id, matrix, row_number);


--
-- Name: tuning_trials tuning_trials_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.tuning_trials
    ADD CONSTRAINT tuning_trials_pkey PRIMARY KEY (trial_id);


--
-- Name: user_embeddings user_embeddings_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings
    ADD CONSTRAINT user_embeddings_pkey PRIMARY KEY (model_run_id, part, user_index);


--
-- Name: user_embeddings_run_1 user_embeddings_run_1_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings_run_1
    ADD CONSTRAINT user_embeddings_run_1_pkey PRIMARY KEY (model_run_id, part, user_index);


--
-- Name: user_embeddings_run_1_preference user_embeddings_run_1_preference_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings_run_1_preference
    ADD CONSTRAINT user_embeddings_run_1_preference_pkey PRIMARY KEY (model_run_id, part, user_index);


--
-- Name: user_embeddings_run_1_rating user_embeddings_run_1_rating_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings_run_1_rating
    ADD CONSTRAINT user_embeddings_run_1_rating_pkey PRIMARY KEY (model_run_id, part, user_index);


--
-- Name: user_embeddings_run_2 user_embeddings_run_2_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings_run_2
    ADD CONSTRAINT user_embeddings_run_2_pkey PRIMARY KEY (model_run_id, part, user_index);


--
-- Name: user_embeddings_run_2_preference user_embeddings_run_2_preference_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings_run_2_preference
    ADD CONSTRAINT user_embeddings_run_2_preference_pkey PRIMARY KEY (model_run_id, part, user_index);


--
-- Name: user_embeddings_run_2_rating user_embeddings_run_2_rating_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.user_embeddings_run_2_rating
    ADD CONSTRAINT user_embeddings_run_2_rating_pkey PRIMARY KEY (model_run_id, part, user_index);


--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (user_index);


--
-- Name: users users_user_id_key; Type: CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.users
    ADD CONSTRAINT users_user_id_key UNIQUE (user_id);


--
-- Name: experiments_running_idx; Type: INDEX; Schema: embrec; Owner: -
--

CREATE UNIQUE INDEX experiments_running_idx ON embrec.experiments USING btree (ended_at) NULLS NOT DISTINCT WHERE (ended_at IS NULL);


--
-- Name: movie_embeddings_run_2_preference_ranking; Type: INDEX; Schema: embrec; Owner: -
--

CREATE INDEX movie_embeddings_run_2_preference_ranking ON embrec.movie_embeddings_run_2_preference USING hnsw ((((embedding OPERATOR(public.||) (ARRAY[sqrt(GREATEST(('10.94798272406508'::double precision - (public.vector_norm(embedding) ^ (2)::double precision)), (0)::double precision))])::public.vector))::public.vector(6)) public.vector_ip_ops);


--
-- Name: movie_embeddings_run_2_similarity_hnsw; Type: INDEX; Schema: embrec; Owner: -
--

CREATE INDEX movie_embeddings_run_2_similarity_hnsw ON embrec.movie_embeddings_run_2_similarity USING hnsw (((public.l2_normalize(embedding))::public.halfvec(5)) public.halfvec_cosine_ops) WITH (m='24', ef_construction='200');


--
-- Name: movie_neighbours_later_idx; Type: INDEX; Schema: embrec; Owner: -
--

CREATE INDEX movie_neighbours_later_idx ON embrec.movie_neighbours USING btree (model_run_id, movie_index) WHERE (neighbours IS NULL);


--
-- Name: movie_statistics_movie_index_idx; Type: INDEX; Schema: embrec; Owner: -
--

CREATE UNIQUE INDEX movie_statistics_movie_index_idx ON embrec.movie_statistics USING btree (movie_index);


--
-- Name: ratings_rated_at_idx; Type: INDEX; Schema: embrec; Owner: -
--

CREATE INDEX ratings_rated_at_idx ON embrec.ratings USING brin (rated_at);


--
-- Name: movie_embeddings_run_1_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.movie_embeddings_pkey ATTACH PARTITION embrec.movie_embeddings_run_1_pkey;


--
-- Name: movie_embeddings_run_1_preference_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.movie_embeddings_run_1_pkey ATTACH PARTITION embrec.movie_embeddings_run_1_preference_pkey;


--
-- Name: movie_embeddings_run_1_profile_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.movie_embeddings_run_1_pkey ATTACH PARTITION embrec.movie_embeddings_run_1_profile_pkey;


--
-- Name: movie_embeddings_run_1_rating_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.movie_embeddings_run_1_pkey ATTACH PARTITION embrec.movie_embeddings_run_1_rating_pkey;


--
-- Name: movie_embeddings_run_1_similarity_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.movie_embeddings_run_1_pkey ATTACH PARTITION embrec.movie_embeddings_run_1_similarity_pkey;


--
-- Name: movie_embeddings_run_2_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.movie_embeddings_pkey ATTACH PARTITION embrec.movie_embeddings_run_2_pkey;


--
-- Name: movie_embeddings_run_2_preference_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.movie_embeddings_run_2_pkey ATTACH PARTITION embrec.movie_embeddings_run_2_preference_pkey;


--
-- Name: movie_embeddings_run_2_profile_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.movie_embeddings_run_2_pkey ATTACH PARTITION embrec.movie_embeddings_run_2_profile_pkey;


--
-- Name: movie_embeddings_run_2_rating_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.movie_embeddings_run_2_pkey ATTACH PARTITION embrec.movie_embeddings_run_2_rating_pkey;


--
-- Name: movie_embeddings_run_2_similarity_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.movie_embeddings_run_2_pkey ATTACH PARTITION embrec.movie_embeddings_run_2_similarity_pkey;


--
-- Name: user_embeddings_run_1_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.user_embeddings_pkey ATTACH PARTITION embrec.user_embeddings_run_1_pkey;


--
-- Name: user_embeddings_run_1_preference_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.user_embeddings_run_1_pkey ATTACH PARTITION embrec.user_embeddings_run_1_preference_pkey;


--
-- Name: user_embeddings_run_1_rating_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.user_embeddings_run_1_pkey ATTACH PARTITION embrec.user_embeddings_run_1_rating_pkey;


--
-- Name: user_embeddings_run_2_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.user_embeddings_pkey ATTACH PARTITION embrec.user_embeddings_run_2_pkey;


--
-- Name: user_embeddings_run_2_preference_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.user_embeddings_run_2_pkey ATTACH PARTITION embrec.user_embeddings_run_2_preference_pkey;


--
-- Name: user_embeddings_run_2_rating_pkey; Type: INDEX ATTACH; Schema: embrec; Owner: -
--

ALTER INDEX embrec.user_embeddings_run_2_pkey ATTACH PARTITION embrec.user_embeddings_run_2_rating_pkey;


--
-- Name: experiments experiments_control_run_fkey; Type: FK CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.experiments
    ADD CONSTRAINT experiments_control_run_fkey FOREIGN KEY (control_run) REFERENCES embrec.model_runs(model_run_id);


--
-- Name: experiments experiments_treatment_run_fkey; Type: FK CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.experiments
    ADD CONSTRAINT experiments_treatment_run_fkey FOREIGN KEY (treatment_run) REFERENCES embrec.model_runs(model_run_id);


--
-- Name: exposures exposures_experiment_id_fkey; Type: FK CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.exposures
    ADD CONSTRAINT exposures_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES embrec.experiments(experiment_id);


--
-- Name: exposures exposures_model_run_id_fkey; Type: FK CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.exposures
    ADD CONSTRAINT exposures_model_run_id_fkey FOREIGN KEY (model_run_id) REFERENCES embrec.model_runs(model_run_id);


--
-- Name: movie_neighbours movie_neighbours_model_run_id_fkey; Type: FK CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.movie_neighbours
    ADD CONSTRAINT movie_neighbours_model_run_id_fkey FOREIGN KEY (model_run_id) REFERENCES embrec.model_runs(model_run_id);


--
-- Name: outcomes outcomes_experiment_id_user_id_fkey; Type: FK CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.outcomes
    ADD CONSTRAINT outcomes_experiment_id_user_id_fkey FOREIGN KEY (experiment_id, user_id) REFERENCES embrec.exposures(experiment_id, user_id);


--
-- Name: publications publications_model_run_id_fkey; Type: FK CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.publications
    ADD CONSTRAINT publications_model_run_id_fkey FOREIGN KEY (model_run_id) REFERENCES embrec.model_runs(model_run_id);


--
-- Name: ratings ratings_movie_index_fkey; Type: FK CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.ratings
    ADD CONSTRAINT ratings_movie_index_fkey FOREIGN KEY (movie_index) REFERENCES embrec.movies(movie_index);


--
-- Name: ratings ratings_user_index_fkey; Type: FK CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.ratings
    ADD CONSTRAINT ratings_user_index_fkey FOREIGN KEY (user_index) REFERENCES embrec.users(user_index);


--
-- Name: run_matrices run_matrices_model_run_id_fkey; Type: FK CONSTRAINT; Schema: embrec; Owner: -
--

ALTER TABLE ONLY embrec.run_matrices
    ADD CONSTRAINT run_matrices_model_run_id_fkey FOREIGN KEY (model_run_id) REFERENCES embrec.model_runs(model_run_id);


--
-- Name: movie_statistics; Type: MATERIALIZED VIEW DATA; Schema: embrec; Owner: -
--

REFRESH MATERIALIZED VIEW embrec.movie_statistics;


--
-- PostgreSQL database dump complete
--

\unrestrict 9wgPpfEmmhhOC2s2mdO5oseZ4edDmeQsXI5nIsiquJqprvbg2A60IxtLSGOMdaW

