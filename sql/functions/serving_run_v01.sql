-- The run that answers for a user: the published one.
CREATE FUNCTION embrec.serving_run(user_id text)
RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT p.model_run_id FROM embrec.published_run AS p;
END;
