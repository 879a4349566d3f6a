"""Safeguards: what keeps people, their data and the server from what went wrong before.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, REAL

from embrec.db.resources import uninstall

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_followed_changes()
    _count_dislikes_against_movies()
    _create_movie_likes()


def downgrade() -> None:
    op.execute(uninstall())
    op.drop_table("followed_changes", schema="embrec")
    op.execute("DROP MATERIALIZED VIEW embrec.movie_likes")
    op.execute("DROP TYPE embrec.best_rated_movie")
    op.execute("ALTER TYPE embrec.contribution DROP ATTRIBUTE relation")
    op.drop_column("model_runs", "dislike_weight", schema="embrec")


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
