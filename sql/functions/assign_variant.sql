-- The side of the running experiment that a user is on, 'control' or 'treatment'; NULL where no experiment runs. A hash
-- of the user's id, seeded by the experiment's, says it: so it stays the same as long as the experiment runs, needs no
-- row for the user, and tells nothing of other experiments. Hash partitions rest on hashtextextended, so it is the same
-- in every version of PostgreSQL.
CREATE OR REPLACE FUNCTION embrec.assign_variant(user_id text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        -- The hash as a number from 0 to 1.
        WHEN hashtextextended(assign_variant.user_id, e.experiment_id) / 2 ^ 64::double precision + 0.5 < e.treatment_share
        THEN 'treatment'
        ELSE 'control'
    END
    FROM embrec.experiments AS e
    WHERE e.ended_at IS NULL AND assign_variant.user_id IS NOT NULL;
END;

CREATE OR REPLACE FUNCTION embrec.assign_variant(user_id bigint)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT embrec.assign_variant(assign_variant.user_id::text);
END;
