"""Experiments: two runs side by side, who was shown which, what came of it, and the comparison.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from embrec.db.resources import executable

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "embrec"
FUNCTIONS = ("assign_variant_v01", "serving_run_v02", "record_exposure_v01", "record_outcome_v01", "refresh_v02")


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("experiment_id", sa.Integer, sa.Identity(always=True)),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("control_run", sa.Integer, nullable=False),
        sa.Column("treatment_run", sa.Integer, nullable=False),
        sa.Column("treatment_share", sa.Double, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("experiment_id", name="experiments_pkey"),
        sa.UniqueConstraint("name", name="experiments_name_key"),
        sa.ForeignKeyConstraint(
            ["control_run"], ["embrec.model_runs.model_run_id"], name="experiments_control_run_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["treatment_run"], ["embrec.model_runs.model_run_id"], name="experiments_treatment_run_fkey"
        ),
        sa.CheckConstraint("treatment_share > 0 AND treatment_share < 1", name="experiments_treatment_share_check"),
        schema=SCHEMA,
    )
    op.create_index(
        "experiments_running_idx",
        "experiments",
        ["ended_at"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "exposures",
        sa.Column("experiment_id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("variant", sa.Text, nullable=False),
        sa.Column("model_run_id", sa.Integer, nullable=False),
        sa.Column("exposed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("experiment_id", "user_id", name="exposures_pkey"),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["embrec.experiments.experiment_id"], name="exposures_experiment_id_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["model_run_id"], ["embrec.model_runs.model_run_id"], name="exposures_model_run_id_fkey"
        ),
        sa.CheckConstraint("variant IN ('control', 'treatment')", name="exposures_variant_check"),
        schema=SCHEMA,
    )
    op.create_table(
        "outcomes",
        sa.Column("experiment_id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("outcome_id", sa.BigInteger, sa.Identity(always=True)),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("experiment_id", "user_id", "outcome_id", name="outcomes_pkey"),
        sa.ForeignKeyConstraint(
            ["experiment_id", "user_id"],
            ["embrec.exposures.experiment_id", "embrec.exposures.user_id"],
            name="outcomes_experiment_id_user_id_fkey",
        ),
        sa.CheckConstraint("value > '-Infinity' AND value < 'Infinity'", name="outcomes_value_check"),
        schema=SCHEMA,
    )
    for name in FUNCTIONS:
        op.execute(executable(f"functions/{name}"))
    op.execute(executable("views/experiment_results_v01"))


def downgrade() -> None:
    op.execute("DROP VIEW embrec.experiment_results")
    op.execute(executable("functions/refresh_v01", replacing=True))
    # Functions that stay are made of this one, so it is put back in place; its file was the first of its name.
    op.execute(executable("functions/serving_run_v01", replacing=True))
    for function, others in (("record_outcome", ", double precision"), ("record_exposure", ""), ("assign_variant", "")):
        # The one that takes a bigint is made of the one that takes a text.
        for kind in ("bigint", "text"):
            op.execute(f"DROP FUNCTION embrec.{function}({kind}{others})")
    for table in ("outcomes", "exposures", "experiments"):
        op.drop_table(table, schema=SCHEMA)
