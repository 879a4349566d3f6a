-- The trigger that puts the movies of a run in order (order_movies) when it is trained. Vectors that a training writes are in
-- tables of their own, of which no trigger knows. The planner then counts them.
CREATE OR REPLACE FUNCTION embrec.order_trained_run()
RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM embrec.order_movies(NEW.model_run_id, NULL);
    IF NEW.serving IN ('two_part', 'dot_product') OR NEW.vector_decays <> '{}' THEN
        ANALYZE embrec.movie_ranking;
    END IF;
    RETURN NULL;
END;
$$;

CREATE OR REPLACE TRIGGER order_trained_run AFTER UPDATE OF status ON embrec.model_runs
FOR EACH ROW WHEN (NEW.status = 'trained' AND OLD.status <> 'trained') EXECUTE FUNCTION embrec.order_trained_run();
