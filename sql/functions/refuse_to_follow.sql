-- Raise an error if a table cannot be followed: a view or a foreign table, or one of embrec's own, whose trigger would
-- call itself.
CREATE OR REPLACE FUNCTION embrec.refuse_to_follow(source regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- The schema may have tables of a host's role that is called embrec too.
    ours name[] := '{alembic_version,users,movies,ratings,events,event_types,movie_counts,uncounted_ratings,event_counts,uncounted_events,movie_titles,rating_scale,followed_changes,followed_partitions,model_runs,publications,tuning_trials,user_embeddings,'
        'movie_embeddings,run_matrices,movie_neighbours,movie_ranking,next_movies,next_vectors,experiments,exposures,outcomes,load_watermarks,movie_content}';
BEGIN
    IF (SELECT c.relkind FROM pg_class AS c WHERE c.oid = source) NOT IN ('r', 'p') THEN
        RAISE EXCEPTION '% is not a table; follow the table that its rows are from, or load it on a schedule', source
            USING ERRCODE = 'wrong_object_type';
    END IF;
    IF EXISTS (
        WITH RECURSIVE lineage AS (
            SELECT source::oid AS oid
            UNION
            SELECT i.inhparent FROM lineage AS l JOIN pg_inherits AS i ON i.inhrelid = l.oid
        )
        SELECT
        FROM lineage AS l
        JOIN pg_class AS c ON c.oid = l.oid
        WHERE c.relnamespace = 'embrec'::regnamespace AND c.relname = ANY (ours)
    ) THEN
        RAISE EXCEPTION '% is a table of embrec, which cannot follow itself; follow a table of your own', source
            USING ERRCODE = 'wrong_object_type';
    END IF;
END;
$$;
