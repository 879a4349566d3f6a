"""Safeguards: what keeps people, their data and the server from what went wrong before.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import REAL

from embrec.db.resources import uninstall

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


# The scale of ratings that are there already, as the function judged_scale finds it: without those that are far from
# all others. Fewer than a hundred ratings settle none. An absurd rating does not stop the upgrade. It is outside the
# scale, and the next training names it.
SCALE_OF_STORED_RATINGS = """
    INSERT INTO embrec.rating_scale (lowest, highest)
    WITH counted AS (
        SELECT r.rating::double precision AS rating, count(*) AS number
        FROM embrec.ratings AS r
        WHERE r.rating BETWEEN -1e9 AND 1e9
        GROUP BY r.rating
    ),
    placed AS (
        SELECT
            c.rating,
            lag(c.rating) OVER (ORDER BY c.rating) AS below,
            lead(c.rating) OVER (ORDER BY c.rating) AS above,
            100 * sum(c.number) OVER (ORDER BY c.rating) <= sum(c.number) OVER () AS is_low,
            100 * sum(c.number) OVER (ORDER BY c.rating DESC) <= sum(c.number) OVER () AS is_high
        FROM counted AS c
    ),
    most AS (
        SELECT
            min(p.rating) FILTER (WHERE NOT p.is_low) AS lowest,
            max(p.rating) FILTER (WHERE NOT p.is_high) AS highest
        FROM placed AS p
    ),
    judged AS (
        SELECT
            coalesce(max(p.above) FILTER (
                WHERE p.is_low AND p.above < m.highest AND p.above - p.rating > 10 * (m.highest - p.above)
            ), min(p.rating)) AS lowest,
            coalesce(min(p.below) FILTER (
                WHERE p.is_high AND p.below > m.lowest AND p.rating - p.below > 10 * (p.below - m.lowest)
            ), max(p.rating)) AS highest
        FROM placed AS p
        CROSS JOIN most AS m
    )
    SELECT j.lowest, j.highest FROM judged AS j WHERE (SELECT sum(c.number) FROM counted AS c) >= 100
"""
# Functions with other parameters than before: add_rating takes double precision, and ids are of any type, not bigint.
# Views of the host that call one must be dropped first.
CHANGED_FUNCTIONS = r"""
DO $$
DECLARE
    changed text;
    used_by text;
BEGIN
    FOR changed IN
        SELECT p.oid::regprocedure::text
        FROM pg_proc AS p
        WHERE p.pronamespace = 'embrec'::regnamespace
            AND p.prorettype <> 'trigger'::regtype
            AND (
                pg_get_function_identity_arguments(p.oid) ~ '\m(user|movie)_id bigint'
                OR (p.proname = 'add_rating' AND 'real'::regtype::oid = ANY (p.proargtypes))
            )
        ORDER BY 'bigint'::regtype::oid = ANY (p.proargtypes) DESC -- these are made of the others
    LOOP
        EXECUTE format('DROP FUNCTION %s', changed);
    END LOOP;
EXCEPTION WHEN dependent_objects_still_exist THEN
    GET STACKED DIAGNOSTICS used_by = PG_EXCEPTION_DETAIL;
    RAISE EXCEPTION '%, whose parameters change; drop it, run embrec db upgrade, and make it again',
        replace(used_by, E'\n', ', ')
        USING ERRCODE = 'dependent_objects_still_exist';
END
$$
"""


def upgrade() -> None:
    _keep_a_scale()
    op.execute(sa.text(CHANGED_FUNCTIONS.replace(":", r"\:")))


def _keep_a_scale() -> None:
    """Create the table of the scale that ratings keep to, and fill it from the ratings that are stored."""
    op.create_table(
        "rating_scale",
        sa.Column("only_row", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("lowest", REAL, nullable=False),
        sa.Column("highest", REAL, nullable=False),
        sa.PrimaryKeyConstraint("only_row", name="rating_scale_pkey"),
        sa.CheckConstraint("only_row", name="rating_scale_only_row_check"),
        sa.CheckConstraint("lowest >= -1e9 AND lowest <= highest AND highest <= 1e9", name="rating_scale_bounds_check"),
        schema="embrec",
    )
    op.execute(sa.text(SCALE_OF_STORED_RATINGS.replace(":", r"\:")))


def downgrade() -> None:
    op.execute(uninstall())
    op.drop_table("rating_scale", schema="embrec")
