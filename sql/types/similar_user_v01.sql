-- One row of similar_users.
CREATE TYPE embrec.similar_user AS (
    rank integer,
    user_id text,
    similarity double precision,
    model_run_id integer
);
