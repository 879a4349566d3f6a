-- The results of each experiment's variants, two rows per experiment. A user's outcomes are added up, to 0 if there are
-- none, and averaged over the users exposed. The row of the treatment has its difference from the control, with a 95 %
-- confidence interval, which assumes enough users for a normal mean.
CREATE OR REPLACE VIEW embrec.experiment_results AS
WITH exposed AS (
    SELECT s.experiment_id, s.variant, s.user_id, coalesce(sum(o.value), 0) AS value, count(o.value) > 0 AS has_outcome
    FROM embrec.exposures AS s
    LEFT JOIN embrec.outcomes AS o ON o.experiment_id = s.experiment_id AND o.user_id = s.user_id
    GROUP BY s.experiment_id, s.variant, s.user_id
),
sides AS (
    SELECT
        e.experiment_id,
        e.name,
        v.variant,
        v.model_run_id,
        count(x.user_id) AS exposed_users,
        count(x.user_id) FILTER (WHERE x.has_outcome) AS users_with_outcome,
        avg(x.value) AS mean_outcome,
        stddev_samp(x.value) / sqrt(count(x.value)) AS standard_error
    FROM embrec.experiments AS e
    CROSS JOIN LATERAL (VALUES ('control', e.control_run), ('treatment', e.treatment_run)) AS v (variant, model_run_id)
    LEFT JOIN exposed AS x ON x.experiment_id = e.experiment_id AND x.variant = v.variant
    GROUP BY e.experiment_id, e.name, v.variant, v.model_run_id
),
compared AS (
    SELECT
        s.*,
        s.mean_outcome - c.mean_outcome AS difference,
        1.959964 * sqrt(s.standard_error ^ 2 + c.standard_error ^ 2) AS half_width
    FROM sides AS s
    LEFT JOIN sides AS c ON s.variant = 'treatment' AND c.variant = 'control' AND c.experiment_id = s.experiment_id
)
SELECT
    c.experiment_id,
    c.name,
    c.variant,
    c.model_run_id,
    c.exposed_users,
    c.users_with_outcome,
    c.mean_outcome,
    c.standard_error,
    c.difference,
    c.difference - c.half_width AS difference_low,
    c.difference + c.half_width AS difference_high
FROM compared AS c;
