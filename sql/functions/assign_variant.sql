-- Return the side of the running experiment that a user is on, 'control' or 'treatment'; NULL if no experiment runs. A
-- hash of the user's id, seeded by the experiment's id, decides. So it stays the same while the experiment runs, needs
-- no row for the user, and is independent of other experiments. Hash partitions rest on hashtextextended, so the hash
-- is the same in every version of PostgreSQL.
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

CREATE OR REPLACE FUNCTION embrec.assign_variant(user_id anynonarray)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT embrec.assign_variant(embrec.id_text(assign_variant.user_id));
$$;
