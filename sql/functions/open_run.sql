-- Make the tables that a run's vectors of one side are copied into, one per part. They are filled first and attached by
-- close_run later, so readers of other runs are not held up. It runs with the owner's rights, so that a trainer needs
-- none on the tables of other runs.
CREATE OR REPLACE FUNCTION embrec.open_run(model_run_id integer, side text, parts embrec.part[])
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    parent text := format('embrec.%I', side || '_embeddings');
    run text := format('%s_run_%s', parent, model_run_id);
    part embrec.part;
    leaf text;
BEGIN
    PERFORM embrec.require_own_run(open_run.model_run_id, '{training}');
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
    IF side = 'user' THEN
        -- The planner's statistics would keep vectors of users who are forgotten.
        FOREACH leaf IN ARRAY ARRAY(SELECT format('%s_%s', run, p) FROM unnest(parts) AS p) || run LOOP
            EXECUTE format(
                'ALTER TABLE %s ALTER bias SET STATISTICS 0, ALTER embedding SET STATISTICS 0,'
                ' ALTER half SET STATISTICS 0, ALTER fingerprint SET STATISTICS 0, ALTER spread SET STATISTICS 0',
                leaf
            );
        END LOOP;
    END IF;
END;
$$;
