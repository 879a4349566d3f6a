-- The trigger on layers, neighbours and what comes next, which a trainer adds: only to a run that is in training, and the role's own. The
-- schema's owner adds those of movies that came later (refresh_run).
CREATE OR REPLACE FUNCTION embrec.guard_run_rows()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT pg_has_role((SELECT c.relowner FROM pg_class AS c WHERE c.oid = TG_RELID), 'USAGE') THEN
        PERFORM embrec.require_own_run(run.model_run_id, '{training}') FROM (SELECT DISTINCT a.model_run_id FROM added AS a) AS run;
    END IF;
    RETURN NULL;
END;
$$;

CREATE OR REPLACE TRIGGER guard_run_rows AFTER INSERT ON embrec.run_matrices
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION embrec.guard_run_rows();

CREATE OR REPLACE TRIGGER guard_run_rows AFTER INSERT ON embrec.movie_neighbours
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION embrec.guard_run_rows();

CREATE OR REPLACE TRIGGER guard_run_rows AFTER INSERT ON embrec.next_movies
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION embrec.guard_run_rows();

CREATE OR REPLACE TRIGGER guard_run_rows AFTER INSERT ON embrec.next_vectors
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION embrec.guard_run_rows();
