-- The triggers that put movies in order again (order_movies) whose vectors a refresh adds or takes away, or somebody changes.
-- A training's vectors come in tables that are attached, of which no trigger knows; order_trained_run is for those.
CREATE OR REPLACE FUNCTION embrec.order_changed_vectors()
RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM embrec.order_movies(c.model_run_id, array_agg(DISTINCT c.movie_index))
    FROM embrec_changed AS c
    WHERE c.part <> 'similarity'
    GROUP BY c.model_run_id;
    RETURN NULL;
END;
$$;

CREATE OR REPLACE TRIGGER order_added_vectors AFTER INSERT ON embrec.movie_embeddings
REFERENCING NEW TABLE AS embrec_changed FOR EACH STATEMENT EXECUTE FUNCTION embrec.order_changed_vectors();

CREATE OR REPLACE TRIGGER order_updated_vectors AFTER UPDATE ON embrec.movie_embeddings
REFERENCING NEW TABLE AS embrec_changed FOR EACH STATEMENT EXECUTE FUNCTION embrec.order_changed_vectors();

CREATE OR REPLACE TRIGGER order_deleted_vectors AFTER DELETE ON embrec.movie_embeddings
REFERENCING OLD TABLE AS embrec_changed FOR EACH STATEMENT EXECUTE FUNCTION embrec.order_changed_vectors();
