"""Events: what people watched, and in which order; and the parts of a run that say what comes next.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects.postgresql import ARRAY, INTERVAL, REAL

from embrec.db.resources import statement, uninstall

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_events()
    _count_events()
    _follow_events()
    _create_next()
    _rank_what_comes_next()
    _show_events()
    _describe_runs()
    _fold_in_events()
    op.execute(statement(CHANGED_FUNCTIONS))


def downgrade() -> None:
    op.execute(uninstall())
    _hide_events()
    _forget_what_comes_next()
    for column in RUN_COLUMNS:
        op.drop_column("model_runs", column, schema="embrec")
    for column in CHANGE_COLUMNS:
        op.drop_column("followed_changes", column, schema="embrec")
    _uncount_events()
    for table in ("next_vectors", "next_movies", "events", "event_types"):
        op.drop_table(table, schema="embrec")


# The types that loads and add_event find; the owner edits them and adds others. A rating counts as an event of type 0.
EVENT_TYPES = """
INSERT INTO embrec.event_types (event_type, name, weight, kind)
VALUES
    (0, 'rating', 1, 'interest'),
    (1, 'event', 1, 'interest'),
    (2, 'view', 0.2, 'interest'),
    (3, 'click', 0.5, 'interest'),
    (4, 'play', 1, 'start'),
    (5, 'finish', 1, 'finish'),
    (6, 'purchase', 3, 'interest'),
    (7, 'dislike', 1, 'dislike')
"""
# As for the columns of 0014: the planner's statistics would keep values of users who are forgotten.
NO_STATISTICS = """
ALTER TABLE embrec.events
    ALTER user_index SET STATISTICS 0, ALTER external_id SET STATISTICS 0, ALTER value SET STATISTICS 0
"""


def _create_events() -> None:
    """Create events and their types. A pair of user and movie may have many events."""
    timestamptz = sa.DateTime(timezone=True)
    op.create_table(
        "event_types",
        sa.Column("event_type", sa.SmallInteger, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("weight", REAL, nullable=False, server_default="1"),
        sa.Column("half_life", INTERVAL),
        sa.Column("kind", sa.Text, nullable=False, server_default="interest"),
        sa.PrimaryKeyConstraint("event_type", name="event_types_pkey"),
        sa.UniqueConstraint("name", name="event_types_name_key"),
        sa.CheckConstraint(
            "name <> '' AND name = btrim(name) AND octet_length(name) <= 100",
            name="name",
        ),
        sa.CheckConstraint("weight >= 0 AND weight <= 1e6", name="weight"),
        sa.CheckConstraint("half_life > '0'", name="half_life"),
        sa.CheckConstraint("kind IN ('interest', 'start', 'finish', 'dislike')", name="kind"),
        schema="embrec",
    )
    op.execute(statement(EVENT_TYPES))
    op.create_table(
        "events",
        sa.Column("event_id", sa.BigInteger, sa.Identity(always=True)),
        sa.Column("user_index", sa.Integer, nullable=False),
        sa.Column("movie_index", sa.Integer, nullable=False),
        sa.Column("event_type", sa.SmallInteger, nullable=False),
        sa.Column("value", REAL),
        sa.Column("occurred_at", timestamptz),
        sa.Column("external_id", sa.Text),
        sa.PrimaryKeyConstraint("event_id", name="events_pkey"),
        sa.ForeignKeyConstraint(["user_index"], ["embrec.users.user_index"], name="events_user_index_fkey"),
        sa.ForeignKeyConstraint(["movie_index"], ["embrec.movies.movie_index"], name="events_movie_index_fkey"),
        sa.ForeignKeyConstraint(["event_type"], ["embrec.event_types.event_type"], name="events_event_type_fkey"),
        sa.CheckConstraint("value >= 0 AND value <= 1e9", name="value"),
        sa.CheckConstraint("isfinite(occurred_at)", name="occurred_at"),
        sa.CheckConstraint("event_type <> 0", name="event_type"),
        schema="embrec",
    )
    op.execute(statement(NO_STATISTICS))
    # A user's events, newest first; those without a time are the oldest, and equal times go by the order of arrival.
    op.execute(
        "CREATE INDEX events_newest_idx ON embrec.events"
        " (user_index, occurred_at DESC NULLS LAST, event_id DESC) INCLUDE (movie_index, event_type, value)"
    )
    op.create_index("events_occurred_at_idx", "events", ["occurred_at"], schema="embrec", postgresql_using="brin")
    op.create_index(
        "events_external_id_idx",
        "events",
        ["external_id"],
        schema="embrec",
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )


# The types of answers that say how many events a movie has.
COUNTING_TYPES = ("popular_movie", "trending_movie", "movie_detail")
COUNT_COLUMNS = ("event_count", "event_weight")


def _count_events() -> None:
    """Create the counts of events that popularity is made of, and what notes the changes that are not counted yet."""
    op.create_table(
        "event_counts",
        sa.Column("movie_index", sa.Integer, autoincrement=False),
        sa.Column("event_type", sa.SmallInteger, autoincrement=False),
        sa.Column("event_count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("movie_index", "event_type", name="event_counts_pkey"),
        schema="embrec",
    )
    op.create_table(
        "uncounted_events",
        sa.Column("change_id", sa.BigInteger, sa.Identity(always=True)),
        sa.Column("movie_index", sa.Integer, nullable=False),
        sa.Column("event_type", sa.SmallInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("change_id", name="uncounted_events_pkey"),
        schema="embrec",
    )
    for column in (
        sa.Column("event_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("event_weight", sa.Double, nullable=False, server_default="0"),
    ):
        op.add_column("movie_counts", column, schema="embrec")
    for each in COUNTING_TYPES:
        op.execute(f"ALTER TYPE embrec.{each} ADD ATTRIBUTE event_count bigint")
    op.execute("DROP FUNCTION IF EXISTS embrec.popular_movies(integer, text[], text[], integer, integer, integer)")


def _uncount_events() -> None:
    for each in COUNTING_TYPES:
        op.execute(f"ALTER TYPE embrec.{each} DROP ATTRIBUTE event_count")
    for column in COUNT_COLUMNS:
        op.drop_column("movie_counts", column, schema="embrec")
    op.drop_table("uncounted_events", schema="embrec")
    op.drop_table("event_counts", schema="embrec")


CHANGE_COLUMNS = ("event_types", "event_values", "external_ids")


def _follow_events() -> None:
    """Add to the changes of followed tables what those of events have beside users, movies and times."""
    for column in (
        sa.Column("event_types", ARRAY(sa.Text)),
        sa.Column("event_values", ARRAY(REAL)),
        sa.Column("external_ids", ARRAY(sa.Text)),
    ):
        op.add_column("followed_changes", column, schema="embrec")
    op.execute(
        "ALTER TABLE embrec.followed_changes ALTER external_ids SET STATISTICS 0, ALTER event_values SET STATISTICS 0"
    )
    op.execute("DROP FUNCTION IF EXISTS embrec.follow_table(regclass, text, text, text, text)")


def _create_next() -> None:
    """Create the two tables by which a run says what comes next.

    The strongest next movies of each movie, with their weights, by channel, those of movies that came after the
    training beside the others; and vectors: a movie's own in channel 0, and from channel 1 on those that it adds to a
    history.
    """
    op.create_table(
        "next_movies",
        sa.Column("model_run_id", sa.Integer, nullable=False),
        sa.Column("movie_index", sa.Integer, nullable=False),
        sa.Column("channel", sa.SmallInteger, nullable=False),
        sa.Column("folded_in", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("next_indexes", ARRAY(sa.Integer), nullable=False),
        sa.Column("weights", ARRAY(REAL), nullable=False),
        sa.Column("user_count", sa.Integer),
        sa.Column("transitions", REAL),
        sa.PrimaryKeyConstraint("model_run_id", "movie_index", "channel", "folded_in", name="next_movies_pkey"),
        sa.ForeignKeyConstraint(
            ["model_run_id"], ["embrec.model_runs.model_run_id"], name="next_movies_model_run_id_fkey"
        ),
        schema="embrec",
        postgresql_with={"toast_tuple_target": 8160},
    )
    op.create_table(
        "next_vectors",
        sa.Column("model_run_id", sa.Integer, nullable=False),
        sa.Column("movie_index", sa.Integer, nullable=False),
        sa.Column("channel", sa.SmallInteger, nullable=False),
        sa.Column("embedding", VECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("model_run_id", "movie_index", "channel", name="next_vectors_pkey"),
        sa.ForeignKeyConstraint(
            ["model_run_id"], ["embrec.model_runs.model_run_id"], name="next_vectors_model_run_id_fkey"
        ),
        schema="embrec",
        postgresql_with={"toast_tuple_target": 8160},
    )


# The functions of ranking have a parameter more: which of a run's two rankings.
FORMER_RANKING = """
DO $$
DECLARE
    former record;
BEGIN
    FOR former IN
        SELECT p.oid::regprocedure AS name
        FROM pg_proc AS p
        WHERE p.pronamespace = 'embrec'::regnamespace AND p.proname IN ('best_movies', 'next_best', 'ranking_block')
        ORDER BY p.proname
    LOOP
        EXECUTE 'DROP FUNCTION ' || former.name;
    END LOOP;
END
$$
"""
# One row of next_after and also_watched, of continue_watching, and of explain_next.
NEXT_TYPES = (
    """
    CREATE TYPE embrec.following_movie AS (
        rank integer,
        movie_id text,
        title text,
        score double precision,
        model_run_id integer
    )
    """,
    """
    CREATE TYPE embrec.continued_movie AS (
        rank integer,
        movie_id text,
        title text,
        basis text,
        steps bigint,
        last_at timestamptz
    )
    """,
    """
    CREATE TYPE embrec.step_contribution AS (
        rank integer,
        movie_id text,
        title text,
        event_type text,
        occurred_at timestamptz,
        age integer,
        contribution double precision,
        score double precision,
        model_run_id integer
    )
    """,
)


def _rank_what_comes_next() -> None:
    """Have movie_ranking take the movies' vectors of what comes next too, and create the types of its answers."""
    op.execute(statement(FORMER_RANKING))
    op.add_column(
        "movie_ranking", sa.Column("next", sa.Boolean, nullable=False, server_default=sa.false()), schema="embrec"
    )
    op.drop_constraint("movie_ranking_pkey", "movie_ranking", schema="embrec")
    op.create_primary_key(
        "movie_ranking_pkey", "movie_ranking", ["model_run_id", "movie_index", "next"], schema="embrec"
    )
    op.drop_index("movie_ranking_length_idx", "movie_ranking", schema="embrec")
    op.create_index("movie_ranking_length_idx", "movie_ranking", ["model_run_id", "next", "length"], schema="embrec")
    for definition in NEXT_TYPES:
        op.execute(statement(definition))


def _forget_what_comes_next() -> None:
    """Undo :func:`_rank_what_comes_next`."""
    for name in ("following_movie", "continued_movie", "step_contribution"):
        op.execute(f"DROP TYPE embrec.{name}")
    op.execute("DELETE FROM embrec.movie_ranking WHERE next")
    op.drop_index("movie_ranking_length_idx", "movie_ranking", schema="embrec")
    op.drop_constraint("movie_ranking_pkey", "movie_ranking", schema="embrec")
    op.drop_column("movie_ranking", "next", schema="embrec")
    op.create_primary_key("movie_ranking_pkey", "movie_ranking", ["model_run_id", "movie_index"], schema="embrec")
    op.create_index("movie_ranking_length_idx", "movie_ranking", ["model_run_id", "length"], schema="embrec")


# One row of user_history.
USER_ACT = """
CREATE TYPE embrec.user_act AS (
    rank integer,
    movie_id text,
    title text,
    event_type text,
    value real,
    occurred_at timestamptz
)
"""
# The types of answers that pages ask for, with what they say of events: attributes and their types.
SHOWN = (
    ("trained_run", "event_count", "bigint"),
    ("trained_run", "history_length", "smallint"),
    ("mapped_movie", "event_count", "bigint"),
)


def _show_events() -> None:
    """Create what a page shows of events: the type of a history, and counts in the types of other answers."""
    op.execute(statement(USER_ACT))
    for name, attribute, kind in SHOWN:
        op.execute(f"ALTER TYPE embrec.{name} ADD ATTRIBUTE {attribute} {kind}")


def _hide_events() -> None:
    for name, attribute, _ in SHOWN:
        op.execute(f"ALTER TYPE embrec.{name} DROP ATTRIBUTE {attribute}")
    op.execute("DROP TYPE embrec.user_act")


RUN_COLUMNS = (
    "event_count",
    "events_sha256",
    "newest_event_at",
    "history_length",
    "row_decays",
    "vector_decays",
    "new_movies_weight",
)


def _describe_runs() -> None:
    """Add to runs what events they learned from, and how a history is read; NULL in a run without that part."""
    for column in (
        sa.Column("event_count", sa.BigInteger),
        sa.Column("events_sha256", sa.Text),
        sa.Column("newest_event_at", sa.DateTime(timezone=True)),
        sa.Column("history_length", sa.SmallInteger),
        sa.Column("row_decays", ARRAY(REAL)),
        sa.Column("vector_decays", ARRAY(REAL)),
        sa.Column("new_movies_weight", REAL),
    ):
        op.add_column("model_runs", column, schema="embrec")


def _fold_in_events() -> None:
    """Drop the parts of refresh whose new forms take events too."""
    op.execute("DROP FUNCTION IF EXISTS embrec.newcomers(integer)")
    op.execute("DROP FUNCTION IF EXISTS embrec.solved_movie_preference(integer, integer[], real[])")


# Functions whose new forms take interests beside ratings. Those made of them stay, because views of the host may use
# them, and lose their bodies until the upgrade installs the current ones.
CHANGED_FUNCTIONS = r"""
DO $$
DECLARE
    ours record;
BEGIN
    FOR ours IN
        SELECT p.oid, p.prorettype::regtype AS type
        FROM pg_proc AS p
        WHERE p.pronamespace = 'embrec'::regnamespace AND p.prosqlbody IS NOT NULL
            AND EXISTS (
                SELECT
                FROM pg_depend AS d
                JOIN pg_proc AS q ON q.oid = d.refobjid
                WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
                    AND q.pronamespace = 'embrec'::regnamespace
                    AND q.proname IN ('preference_vector', 'given_ratings', 'contributions', 'ranked_movies')
            )
    LOOP
        EXECUTE regexp_replace(
            pg_get_functiondef(ours.oid), 'BEGIN ATOMIC.*', format('AS %L', format('SELECT NULL::%s', ours.type))
        );
    END LOOP;
    FOR ours IN
        SELECT p.oid::regprocedure AS signature
        FROM pg_proc AS p
        WHERE p.pronamespace = 'embrec'::regnamespace
            AND p.proname IN ('preference_vector', 'given_ratings', 'contributions', 'ranked_movies')
    LOOP
        EXECUTE format('DROP FUNCTION %s', ours.signature);
    END LOOP;
END
$$
"""
