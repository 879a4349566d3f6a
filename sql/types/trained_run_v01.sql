-- One row of trained_runs.
CREATE TYPE embrec.trained_run AS (
    model_run_id integer,
    architecture text,
    published boolean,
    finished_at timestamptz,
    rating_count bigint,
    lowest_rating real,
    highest_rating real,
    metrics jsonb
);
