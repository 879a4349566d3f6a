-- Attach the tables of open_run, once they are filled: keys, checks, statistics. Users who were forgotten while the run
-- trained get no vectors.
CREATE OR REPLACE FUNCTION embrec.close_run(model_run_id integer, side text)
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    parent text := format('embrec.%I', side || '_embeddings');
    run text := format('%s_run_%s', parent, model_run_id);
    part embrec.part;
    leaf text;
    width integer;
    checked text;
BEGIN
    PERFORM embrec.require_own_run(close_run.model_run_id, '{training}');
    FOREACH part IN ARRAY enum_range(NULL::embrec.part) LOOP
        leaf := format('%s_%s', run, part);
        CONTINUE WHEN to_regclass(leaf) IS NULL;
        EXECUTE format('SELECT vector_dims(%s) FROM %s LIMIT 1', embrec.vector_of(side), leaf) INTO width;
        checked := ', ADD CHECK (vector_dims(embedding) = ' || width || ')';
        IF side = 'user' THEN
            checked := checked || ', ADD CHECK (vector_dims(half) = ' || width || '), ADD CHECK (num_nonnulls(embedding, half) = 1)';
        END IF;
        -- The key is full, because a training's rows stay. The first check lets ATTACH skip its scan. A part without any
        -- vector has no width.
        EXECUTE format(
            'ALTER TABLE %s ADD PRIMARY KEY (model_run_id, part, %I) WITH (fillfactor = 100),'
            ' ADD CHECK (model_run_id = %s AND part = %L)%s',
            leaf, side || '_index', model_run_id, part, checked
        );
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%L)', run, leaf, part);
        EXECUTE format('ANALYZE %s', leaf);
        IF to_regrole('embrec_trainer') IS NOT NULL THEN
            EXECUTE format('REVOKE INSERT ON %s FROM embrec_trainer', leaf);
        END IF;
    END LOOP;
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%s)', parent, run, model_run_id);
    IF side = 'user' THEN
        PERFORM embrec.delete_forgotten(close_run.model_run_id);
    END IF;
END;
$$;
