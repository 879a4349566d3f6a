"""Safeguards: what keeps people, their data and the server from what went wrong before.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, REAL

from embrec.db.resources import statement, uninstall

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_followed_changes()
    _record_trainers()
    op.execute(statement(PERSONAL_STATISTICS.format(target=0)))
    op.execute(statement(CLEAR_STATISTICS))
    _digest_all_that_serves("0013", "0014")  # the last, because it reads all columns of model_runs


def downgrade() -> None:
    op.execute(uninstall())
    _digest_all_that_serves("0014", "0013")
    op.drop_column("model_runs", "trained_by", schema="embrec")
    op.execute(statement(PERSONAL_STATISTICS.format(target=-1)))
    op.drop_table("followed_changes", schema="embrec")


def _create_followed_changes() -> None:
    """Create the table of the changes of followed tables that are not applied yet."""
    op.create_table(
        "followed_changes",
        sa.Column("change_id", sa.BigInteger, sa.Identity(always=True)),
        sa.Column("transaction_id", sa.BigInteger, nullable=False, server_default=sa.text("txid_current()")),
        sa.Column("waiting", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("user_ids", ARRAY(sa.Text), nullable=False),
        sa.Column("movie_ids", ARRAY(sa.Text), nullable=False),
        sa.Column("ratings", ARRAY(REAL), nullable=False),
        sa.Column("times", ARRAY(sa.DateTime(timezone=True)), nullable=False),
        sa.PrimaryKeyConstraint("change_id", name="followed_changes_pkey"),
        schema="embrec",
    )
    op.create_index("followed_changes_transaction_id_idx", "followed_changes", ["transaction_id"], schema="embrec")
    op.create_index(
        "followed_changes_waiting_idx",
        "followed_changes",
        ["change_id"],
        schema="embrec",
        postgresql_where=sa.text("waiting"),
    )
    # The planner's statistics would keep the ids of users who were forgotten.
    op.execute("ALTER TABLE embrec.followed_changes ALTER user_ids SET STATISTICS 0, ALTER movie_ids SET STATISTICS 0")


def _record_trainers() -> None:
    """Add the role that began a run, which alone may change it while it is in training."""
    op.add_column("model_runs", sa.Column("trained_by", sa.Text), schema="embrec")


# The planner's statistics keep values, so ids, labels and vectors of users who were forgotten. It needs none
# of these: ids are looked up by unique indexes.
PERSONAL_STATISTICS = """
DO $$
DECLARE
    own record;
BEGIN
    FOR own IN
        SELECT a.attrelid::regclass AS relation, a.attname
        FROM pg_attribute AS a
        WHERE (a.attrelid, a.attname) IN (
            ('embrec.users'::regclass, 'user_id'), ('embrec.users'::regclass, 'labels'),
            ('embrec.exposures'::regclass, 'user_id'), ('embrec.outcomes'::regclass, 'user_id')
        ) OR a.attname IN ('bias', 'embedding', 'fingerprint', 'spread')
            AND a.attrelid IN (SELECT t.relid FROM pg_partition_tree('embrec.user_embeddings') AS t)
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER %I SET STATISTICS {target}', own.relation, own.attname);
    END LOOP;
END
$$
"""
# Before PostgreSQL 18 only a superuser can delete what is there.
CLEAR_STATISTICS = """
DO $$
DECLARE
    own record;
BEGIN
    FOR own IN
        SELECT c.oid, c.relname, a.attname, a.attnum, s.stainherit
        FROM pg_attribute AS a
        JOIN pg_class AS c ON c.oid = a.attrelid AND c.relnamespace = 'embrec'::regnamespace
        CROSS JOIN (VALUES (false), (true)) AS s (stainherit)
        WHERE a.attstattarget = 0
    LOOP
        IF current_setting('server_version_num')::integer >= 180000 THEN
            PERFORM pg_clear_attribute_stats('embrec', own.relname::text, own.attname::text, own.stainherit);
        ELSE
            DELETE FROM pg_statistic AS p
            WHERE p.starelid = own.oid AND p.staattnum = own.attnum AND p.stainherit = own.stainherit;
        END IF;
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'pg_statistic keeps ids of users until a superuser runs: DELETE FROM pg_statistic WHERE (starelid,'
        ' staattnum) IN (SELECT attrelid, attnum FROM pg_attribute WHERE attstattarget = 0)';
END
$$
"""


# The digests of run_digest() before this revision and since.
DIGESTS = """
CREATE FUNCTION pg_temp.digest_0013(run embrec.model_runs) RETURNS text LANGUAGE sql AS $$
    SELECT encode(sha256(
        coalesce((
            SELECT string_agg(
                sha256(
                    int4send(e.movie_index) || float4send(coalesce(e.bias, 0)) || float4send(coalesce(e.spread, 0))
                    || vector_send(e.embedding)
                ),
                ''::bytea ORDER BY e.part, e.movie_index
            )
            FROM embrec.movie_embeddings AS e WHERE e.model_run_id = run.model_run_id AND NOT e.folded_in
        ), '')
        || coalesce((
            SELECT string_agg(
                sha256(int4send(m.row_number) || float4send(coalesce(m.bias, 0)) || vector_send(m.embedding)),
                ''::bytea ORDER BY m.matrix, m.row_number
            )
            FROM embrec.run_matrices AS m WHERE m.model_run_id = run.model_run_id
        ), '')
    ), 'hex')
$$;
CREATE FUNCTION pg_temp.digest_0014(run embrec.model_runs) RETURNS text LANGUAGE sql
SET extra_float_digits = 1 AS $$
    SELECT encode(sha256(
        sha256(convert_to(jsonb_strip_nulls(to_jsonb(run) - ARRAY[
            'architecture', 'status', 'options', 'seed', 'library_versions', 'user_count', 'movie_count',
            'rating_count', 'newest_rating_at', 'ratings_sha256', 'metrics', 'history', 'error', 'started_at',
            'finished_at', 'heartbeat_at', 'progress', 'vectors_sha256', 'trained_by'
        ])::text, 'UTF8'))
        || sha256(coalesce((
            SELECT string_agg(
                sha256(
                    enum_send(e.part) || int4send(e.movie_index) || float4send(coalesce(e.bias, 0))
                    || float4send(coalesce(e.spread, 0)) || vector_send(e.embedding)
                ),
                ''::bytea ORDER BY e.part, e.movie_index
            )
            FROM embrec.movie_embeddings AS e WHERE e.model_run_id = run.model_run_id AND NOT e.folded_in
        ), ''))
        || sha256(coalesce((
            SELECT string_agg(
                sha256(
                    convert_to(m.matrix, 'UTF8') || int4send(m.row_number) || float4send(coalesce(m.bias, 0))
                    || vector_send(m.embedding)
                ),
                ''::bytea ORDER BY m.matrix COLLATE "C", m.row_number
            )
            FROM embrec.run_matrices AS m WHERE m.model_run_id = run.model_run_id
        ), ''))
        || sha256(coalesce((
            SELECT string_agg(
                sha256(int4send(l.movie_index) || array_send(l.neighbours)), ''::bytea ORDER BY l.movie_index
            )
            FROM embrec.movie_neighbours AS l
            WHERE l.model_run_id = run.model_run_id AND l.neighbours IS NOT NULL
        ), ''))
    ), 'hex')
$$;
"""


def _digest_all_that_serves(before: str, after: str) -> None:
    """Put the digests of runs that are as they were trained on record in the other form; changed ones stay as such."""
    functions = f"DROP FUNCTION pg_temp.digest_{before}(embrec.model_runs), pg_temp.digest_{after}(embrec.model_runs)"
    convert = (
        f"UPDATE embrec.model_runs AS r SET vectors_sha256 = pg_temp.digest_{after}(r)"
        f" WHERE r.status = 'trained' AND r.vectors_sha256 = pg_temp.digest_{before}(r)"
    )
    for each in (DIGESTS, convert, functions):
        op.execute(statement(each))
