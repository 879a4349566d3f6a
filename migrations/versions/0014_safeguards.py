"""Safeguards: what keeps people, their data and the server from what went wrong before.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, REAL, REGCLASS

from embrec.db.resources import statement, uninstall

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


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
    op.execute(statement(CHANGED_FUNCTIONS))
    _create_followed_changes()
    _create_followed_partitions()
    _count_dislikes_against_movies()
    _create_movie_likes()
    _record_trainers()
    op.execute(statement(PERSONAL_STATISTICS.format(target=0)))
    op.execute(statement(CLEAR_STATISTICS))
    _add_lengths()
    _digest_all_that_serves("0013", "0014")  # the last, because it reads all columns of model_runs


def downgrade() -> None:
    op.execute(uninstall())
    _digest_all_that_serves("0014", "0013")
    _remove_lengths()
    op.execute(statement(PERSONAL_STATISTICS.format(target=-1)))
    op.drop_column("model_runs", "trained_by", schema="embrec")
    op.execute("DROP MATERIALIZED VIEW embrec.movie_likes")
    op.execute("DROP TYPE embrec.best_rated_movie")
    op.execute("ALTER TYPE embrec.contribution DROP ATTRIBUTE relation")
    op.drop_column("model_runs", "dislike_weight", schema="embrec")
    op.drop_table("followed_partitions", schema="embrec")
    op.drop_table("followed_changes", schema="embrec")
    op.drop_table("rating_scale", schema="embrec")


def _keep_a_scale() -> None:
    """Create the table of the scale that ratings keep to. The next load or training finds that of the stored ones."""
    op.create_table(
        "rating_scale",
        sa.Column("only_row", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("lowest", REAL, nullable=False),
        sa.Column("highest", REAL, nullable=False),
        sa.Column("given", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("only_row", name="rating_scale_pkey"),
        sa.CheckConstraint("only_row", name="rating_scale_only_row_check"),
        sa.CheckConstraint("lowest >= -1e9 AND lowest <= highest AND highest <= 1e9", name="rating_scale_bounds_check"),
        schema="embrec",
    )


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


def _create_followed_partitions() -> None:
    """Create the table of the partitions that followed tables have, by names, so that a dump may be restored."""
    op.create_table(
        "followed_partitions",
        sa.Column("source", REGCLASS, nullable=False),
        sa.Column("column_names", ARRAY(sa.Text), nullable=False),
        sa.Column("partitions", ARRAY(REGCLASS)),
        sa.PrimaryKeyConstraint("source", name="followed_partitions_pkey"),
        schema="embrec",
    )


def _count_dislikes_against_movies() -> None:
    """Add the weight of dislikes to runs, NULL for those of before, and the relation to explanations."""
    op.add_column("model_runs", sa.Column("dislike_weight", REAL), schema="embrec")
    op.execute("DROP FUNCTION IF EXISTS embrec.rating_weight(real, real, real, real)")
    op.execute("ALTER TYPE embrec.contribution ADD ATTRIBUTE relation text")


# A movie's likes, ratings in the highest quarter of the scale, and its place in the list of the most liked. Of equally
# liked movies the one with more ratings comes first, then the one with the higher mean; never the one loaded first.
MOVIE_LIKES = """
CREATE MATERIALIZED VIEW embrec.movie_likes AS
WITH scale AS (
    SELECT min(r.rating)::double precision AS lowest, max(r.rating)::double precision AS highest
    FROM embrec.ratings AS r
),
each_movie AS (
    SELECT
        r.movie_index,
        count(*) AS rating_count,
        avg(r.rating::double precision) AS mean_rating,
        count(*) FILTER (WHERE r.rating >= s.lowest + (0.75 - 1e-6) * (s.highest - s.lowest)) AS like_count
    FROM embrec.ratings AS r
    CROSS JOIN scale AS s
    GROUP BY r.movie_index
)
SELECT
    e.movie_index,
    e.like_count,
    (row_number() OVER (
        ORDER BY e.like_count DESC, e.rating_count DESC, e.mean_rating DESC, m.movie_id COLLATE "C"
    ))::integer AS popularity_rank
FROM each_movie AS e
JOIN embrec.movies AS m ON m.movie_index = e.movie_index
"""


def _create_movie_likes() -> None:
    """Create the view of likes, which newcomers' lists are made of, and the type of the list of the best rated."""
    op.execute(MOVIE_LIKES)
    op.execute("CREATE UNIQUE INDEX movie_likes_movie_index_idx ON embrec.movie_likes (movie_index)")
    op.execute(
        "CREATE TYPE embrec.best_rated_movie AS (rank integer, movie_id text, title text,"
        " adjusted_rating double precision, mean_rating double precision, rating_count bigint)"
    )


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


# The length below which a user's vector to rank by is no vector, and the numbers of users and movies without one; NULL
# for runs of before.
_LENGTHS = {"least_length": "real", "lone_users": "integer", "lone_movies": "integer"}


def _add_lengths() -> None:
    op.execute("ALTER TABLE embrec.model_runs " + ", ".join(f"ADD COLUMN {n} {kind}" for n, kind in _LENGTHS.items()))


def _remove_lengths() -> None:
    op.execute("ALTER TABLE embrec.model_runs " + ", ".join(f"DROP COLUMN {name}" for name in _LENGTHS))
