"""The tables of the ``embrec`` schema as SQLAlchemy metadata; the migrations make them."""

from __future__ import annotations

import sqlalchemy as sa
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy.dialects.postgresql import ARRAY, BIT, ENUM, INTERVAL, JSONB, REAL, REGCLASS, TSVECTOR

SCHEMA = "embrec"
metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    },
)
part = ENUM("rating", "preference", "profile", "similarity", name="part", schema=SCHEMA, create_type=False)
timestamptz = sa.DateTime(timezone=True)

users = sa.Table(
    "users",
    metadata,
    sa.Column("user_index", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.Text, nullable=False, unique=True),
    # Then the id is one that says nothing, and no ratings, labels or vectors are left.
    sa.Column("forgotten_at", timestamptz),
    # Side information on the user, such as 'age 20-29'; NULL if nothing is known.
    sa.Column("labels", ARRAY(sa.Text)),
)

movies = sa.Table(
    "movies",
    metadata,
    sa.Column("movie_index", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("movie_id", sa.Text, nullable=False, unique=True),
    sa.Column("title", sa.Text),
    sa.Column("genres", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("release_year", sa.SmallInteger),
)

# A movie's content vector, of one length for all movies: what the host knows of it, or the words of a text.
movie_content = sa.Table(
    "movie_content",
    metadata,
    sa.Column("movie_index", sa.Integer, sa.ForeignKey(movies.c.movie_index), primary_key=True, autoincrement=False),
    sa.Column("embedding", VECTOR(), nullable=False),
    # A run that was trained before most of them changed no longer reads them (reads_content).
    sa.Column("changed_at", timestamptz, nullable=False, server_default=sa.func.now()),
)

ratings = sa.Table(
    "ratings",
    metadata,
    sa.Column("user_index", sa.Integer, sa.ForeignKey(users.c.user_index), primary_key=True),
    sa.Column("movie_index", sa.Integer, sa.ForeignKey(movies.c.movie_index), primary_key=True),
    sa.Column(
        "rating",
        REAL,
        sa.CheckConstraint("rating > '-Infinity' AND rating < 'Infinity'", name="rating"),
        nullable=False,
    ),
    sa.Column("rated_at", timestamptz, sa.CheckConstraint("isfinite(rated_at)", name="rated_at")),
)
# A BRIN index is tiny, and enough to find ratings since a time, because new ratings are the last rows.
sa.Index("ratings_rated_at_idx", ratings.c.rated_at, postgresql_using="brin")

# The types of events. Their weight, half-life and kind are the owner's to edit. A rating counts as an event of type 0.
event_types = sa.Table(
    "event_types",
    metadata,
    sa.Column("event_type", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column(
        "name",
        sa.Text,
        sa.CheckConstraint("name <> '' AND name = btrim(name) AND octet_length(name) <= 100", name="name"),
        nullable=False,
        unique=True,
    ),
    sa.Column(
        "weight",
        REAL,
        sa.CheckConstraint("weight >= 0 AND weight <= 1e6", name="weight"),
        nullable=False,
        server_default="1",
    ),
    sa.Column(
        "half_life", INTERVAL, sa.CheckConstraint("half_life > '0'", name="half_life")
    ),  # NULL: as strong for ever
    sa.Column(
        "kind",
        sa.Text,
        sa.CheckConstraint("kind IN ('interest', 'start', 'finish', 'dislike')", name="kind"),
        nullable=False,
        server_default="interest",
    ),
)

# The events of users; a user and a movie may have many events.
events = sa.Table(
    "events",
    metadata,
    sa.Column("event_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("user_index", sa.Integer, sa.ForeignKey(users.c.user_index), nullable=False),
    sa.Column("movie_index", sa.Integer, sa.ForeignKey(movies.c.movie_index), nullable=False),
    sa.Column(
        "event_type",
        sa.SmallInteger,
        sa.ForeignKey(event_types.c.event_type),
        sa.CheckConstraint("event_type <> 0", name="event_type"),
        nullable=False,
    ),
    sa.Column(
        "value", REAL, sa.CheckConstraint("value >= 0 AND value <= 1e9", name="value")
    ),  # such as a number of plays
    sa.Column("occurred_at", timestamptz, sa.CheckConstraint("isfinite(occurred_at)", name="occurred_at")),
    sa.Column("external_id", sa.Text),  # that loading it again changes nothing by
)
sa.Index(
    "events_newest_idx",
    events.c.user_index,
    events.c.occurred_at.desc().nulls_last(),
    events.c.event_id.desc(),
    postgresql_include=["movie_index", "event_type", "value"],
)
sa.Index("events_occurred_at_idx", events.c.occurred_at, postgresql_using="brin")
sa.Index(
    "events_external_id_idx",
    events.c.external_id,
    unique=True,
    postgresql_where=events.c.external_id.is_not(None),
)

# The scale that every new rating keeps to, in at most one row.
rating_scale = sa.Table(
    "rating_scale",
    metadata,
    sa.Column(
        "only_row",
        sa.Boolean,
        sa.CheckConstraint("only_row", name="only_row"),
        primary_key=True,
        server_default=sa.true(),
    ),
    sa.Column("lowest", REAL, nullable=False),
    sa.Column("highest", REAL, nullable=False),
    # False if it was found in the ratings: then it goes with the last of them.
    sa.Column("given", sa.Boolean, nullable=False, server_default=sa.false()),
    # Beyond a billion the arithmetic in single precision overflows.
    sa.CheckConstraint("lowest >= -1e9 AND lowest <= highest AND highest <= 1e9", name="bounds"),
)

# The titles of movies as find_movies and suggest_movies search them, with their keys. Triggers keep them in step.
movie_titles = sa.Table(
    "movie_titles",
    metadata,
    sa.Column("movie_index", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("length", sa.Integer, nullable=False),
    sa.Column("folded", sa.Text, nullable=False),
    sa.Column("named", sa.Text, nullable=False),
    sa.Column("named_length", sa.Integer, nullable=False),
    sa.Column("pair_bits", BIT(128), nullable=False),
    sa.Column("keys", TSVECTOR, nullable=False),
    sa.Index("movie_titles_folded_idx", "folded", postgresql_using="hash"),
    sa.Index("movie_titles_keys_idx", "keys", postgresql_using="gin"),
    sa.Index("movie_titles_bounds_idx", "named_length", postgresql_include=["pair_bits", "movie_index"]),
)

# The counts behind the views movie_statistics and movie_likes, a row for each movie.
movie_counts = sa.Table(
    "movie_counts",
    metadata,
    sa.Column("movie_index", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rating_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rating_sum", sa.Double, nullable=False, server_default="0"),
    # The range of the movie's ratings, at least: a rating that goes does not narrow it before all are counted anew.
    sa.Column("lowest", REAL),
    sa.Column("highest", REAL),
    sa.Column("like_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("popularity_rank", sa.Integer),  # NULL without ratings and events
    # The events other than dislikes, and their sum by the weights of their types.
    sa.Column("event_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("event_weight", sa.Double, nullable=False, server_default="0"),
)

# Ratings that came (number > 0) and went (number < 0) since movie_counts was made.
uncounted_ratings = sa.Table(
    "uncounted_ratings",
    metadata,
    sa.Column("change_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("movie_index", sa.Integer, nullable=False),
    sa.Column("rating", REAL, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
)

# Events by movie and type, a row for each pair that has had some.
event_counts = sa.Table(
    "event_counts",
    metadata,
    sa.Column("movie_index", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("event_type", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("event_count", sa.BigInteger, nullable=False),
)

# Events that came (number > 0) and went (number < 0) since event_counts was made.
uncounted_events = sa.Table(
    "uncounted_events",
    metadata,
    sa.Column("change_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("movie_index", sa.Integer, nullable=False),
    sa.Column("event_type", sa.SmallInteger, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
)

model_runs = sa.Table(
    "model_runs",
    metadata,
    sa.Column("model_run_id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("architecture", sa.Text, nullable=False),
    sa.Column(
        "status",
        sa.Text,
        sa.CheckConstraint("status IN ('training', 'trained', 'failed', 'deleted')", name="status"),
        nullable=False,
        server_default="training",
    ),
    sa.Column("options", JSONB, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("library_versions", JSONB, nullable=False),
    # The training snapshot: counts and digest of the ratings as they were read.
    sa.Column("user_count", sa.Integer, nullable=False),
    sa.Column("movie_count", sa.Integer, nullable=False),
    sa.Column("rating_count", sa.BigInteger, nullable=False),
    sa.Column("newest_rating_at", timestamptz),
    sa.Column("ratings_sha256", sa.Text, nullable=False),
    # The results of training.
    sa.Column("dimensions", sa.SmallInteger),
    sa.Column("mean", REAL),  # the rating that biases are relative to
    sa.Column("lowest_rating", REAL),
    sa.Column("highest_rating", REAL),
    # Parameters of the fold-in, which solves for a user's vector from ratings; NULL for a run without it.
    sa.Column("rating_power", REAL),
    # NULL for a run trained before dislikes counted against a movie.
    sa.Column("dislike_weight", REAL),
    sa.Column("bias_feature", REAL),
    sa.Column("ridge_constant", REAL),
    sa.Column("ridge_per_rating", REAL),
    # Default uncertainty of a user or a movie without its own; NULL for a run without uncertainty.
    sa.Column("user_spread", REAL),
    sa.Column("movie_spread", REAL),
    # The formula by which SQL predicts and ranks, and the source of a user's vector; NULL until the run is trained.
    sa.Column(
        "serving",
        sa.Text,
        sa.CheckConstraint("serving IN ('dot_product', 'two_part', 'dense_head', 'similarity_only')", name="serving"),
    ),
    sa.Column(
        "user_vectors", sa.Text, sa.CheckConstraint("user_vectors IN ('stored', 'fold_in')", name="user_vectors")
    ),
    # The parts whose vectors are compared for similar movies and similar users.
    sa.Column("movie_similarity", part, nullable=False, server_default="rating"),
    sa.Column("user_similarity", part, nullable=False, server_default="rating"),
    # Parameters of each layer; json, not jsonb, keeps the layers in their order.
    sa.Column("parameters", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("metrics", JSONB, nullable=False, server_default="{}"),
    sa.Column("history", JSONB, nullable=False, server_default="[]"),
    sa.Column("error", sa.Text),
    sa.Column("started_at", timestamptz, nullable=False, server_default=sa.func.now()),
    sa.Column("finished_at", timestamptz),
    # While it trains, when its process last said that it is alive.
    sa.Column("heartbeat_at", timestamptz, nullable=False, server_default=sa.func.now()),
    # Digest of all that the run answers by, as embrec.run_digest(model_run_id) computes it; a trigger puts it here when
    # the run is trained.
    sa.Column("vectors_sha256", sa.Text),
    # While it trains, how much of the fit is done, from 0 to 1, as of the last heartbeat.
    sa.Column("progress", REAL),
    # The role that began the run, as the trigger sees it: it alone may change the run while it is in training.
    sa.Column("trained_by", sa.Text),
    # The length below which a user's vector to rank by is no vector, and how many users and movies have none.
    sa.Column("least_length", REAL),
    sa.Column("lone_users", sa.Integer),
    sa.Column("lone_movies", sa.Integer),
    # The events that it learned from, beside ratings.
    sa.Column("event_count", sa.BigInteger),
    sa.Column("events_sha256", sa.Text),
    sa.Column("newest_event_at", timestamptz),
    # A history as recommend_next reads it: its newest steps that count, and by channel the factor by which each older
    # step counts less, of next_movies and of next_vectors.
    sa.Column("history_length", sa.SmallInteger),
    sa.Column("row_decays", ARRAY(REAL)),
    sa.Column("vector_decays", ARRAY(REAL)),
    # The weight of sequential rules in the rows of movies that came later; NULL if they get none.
    sa.Column("new_movies_weight", REAL),
    # True if a movie is the less similar to others, the shorter its vector is; NULL in a run that compares by cosine.
    sa.Column("shrunk_similarity", sa.Boolean),
    # The features of movies by which new ones get vectors: their labels, and the length of their content vector; NULL
    # for a run without maps, or whose maps read no content.
    sa.Column("content_labels", ARRAY(sa.Text)),
    sa.Column("content_dimensions", sa.SmallInteger),
)

# The watermark of each table that ratings are loaded from, so that a load reads only new rows.
load_watermarks = sa.Table(
    "load_watermarks",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),  # a table with its schema, or a query
    sa.Column("watermark_column", sa.Text, primary_key=True),
    sa.Column("watermark", timestamptz, nullable=False),
    sa.Column("loaded_at", timestamptz, nullable=False, server_default=sa.func.now()),
)

# Changes of followed tables that are not in ratings and events yet. A row is a block of changes of one statement; those
# that could not be applied when their transaction committed are waiting.
followed_changes = sa.Table(
    "followed_changes",
    metadata,
    sa.Column("change_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("transaction_id", sa.BigInteger, nullable=False, server_default=sa.text("txid_current()")),
    sa.Column("waiting", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("user_ids", ARRAY(sa.Text), nullable=False),
    sa.Column("movie_ids", ARRAY(sa.Text), nullable=False),
    sa.Column("ratings", ARRAY(REAL), nullable=False),  # NULL: the rating is gone
    sa.Column("times", ARRAY(timestamptz), nullable=False),
    # For events alone. A type that is NULL: the event is gone.
    sa.Column("event_types", ARRAY(sa.Text)),
    sa.Column("event_values", ARRAY(REAL)),
    sa.Column("external_ids", ARRAY(sa.Text)),
)
sa.Index("followed_changes_transaction_id_idx", followed_changes.c.transaction_id)
sa.Index("followed_changes_waiting_idx", followed_changes.c.change_id, postgresql_where=followed_changes.c.waiting)

# The partitions that a followed partitioned table had when it was last looked at.
followed_partitions = sa.Table(
    "followed_partitions",
    metadata,
    sa.Column("source", REGCLASS, primary_key=True),
    sa.Column("column_names", ARRAY(sa.Text), nullable=False),
    sa.Column("partitions", ARRAY(REGCLASS)),
)

# The newest row names the published run; older rows are the history. One INSERT publishes or rolls back.
publications = sa.Table(
    "publications",
    metadata,
    sa.Column("publication_id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("model_run_id", sa.Integer, sa.ForeignKey(model_runs.c.model_run_id), nullable=False),
    sa.Column(
        "action",
        sa.Text,
        sa.CheckConstraint("action IN ('publish', 'rollback')", name="action"),
        nullable=False,
    ),
    sa.Column("published_at", timestamptz, nullable=False, server_default=sa.func.now()),
)

# Trials of the hyperparameter search, for each state of the ratings.
tuning_trials = sa.Table(
    "tuning_trials",
    metadata,
    sa.Column("trial_id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("architecture", sa.Text, nullable=False),
    sa.Column("ratings_sha256", sa.Text, nullable=False),
    sa.Column("options", JSONB, nullable=False),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("tried_at", timestamptz, nullable=False, server_default=sa.func.now()),
)

# One partition per model run, in it one per part, written once and never updated. The column has no dimension of
# its own, so runs of different dimensions stand side by side; each partition checks its own. In the part 'rating', a
# user's uncertainty (spread) times a movie's is the standard deviation of the rating around its prediction.
movie_embeddings = sa.Table(
    "movie_embeddings",
    metadata,
    sa.Column("model_run_id", sa.Integer, primary_key=True),
    sa.Column("part", part, primary_key=True),
    sa.Column("movie_index", sa.Integer, primary_key=True),
    sa.Column("bias", REAL),
    sa.Column("embedding", VECTOR(), nullable=False),
    # Given to the run by refresh(), for a movie that came after its training.
    sa.Column("folded_in", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("spread", REAL),
    # Fingerprint of what such a movie was folded in from, as embrec.newcomers(model_run_id) computes it.
    sa.Column("fingerprint", sa.BigInteger),
    postgresql_partition_by="LIST (model_run_id)",
)

user_embeddings = sa.Table(
    "user_embeddings",
    metadata,
    sa.Column("model_run_id", sa.Integer, primary_key=True),
    sa.Column("part", part, primary_key=True),
    sa.Column("user_index", sa.Integer, primary_key=True),
    sa.Column("bias", REAL),
    # The vector, NULL in a run that stores its users in half precision.
    sa.Column("embedding", VECTOR()),
    # Fingerprint of the ratings behind the vector, as embrec.ratings_fingerprint(user_index) computes it.
    sa.Column("fingerprint", sa.BigInteger),
    sa.Column("spread", REAL),
    sa.Column("half", HALFVEC()),  # the vector in a run that stores its users in half precision
    postgresql_partition_by="LIST (model_run_id)",
)

# Other learned matrices of a run, by name: the layers of a dense head, the maps of new movies, their fold-in.
run_matrices = sa.Table(
    "run_matrices",
    metadata,
    sa.Column("model_run_id", sa.Integer, sa.ForeignKey(model_runs.c.model_run_id), primary_key=True),
    sa.Column("matrix", sa.Text, primary_key=True),
    sa.Column("row_number", sa.Integer, primary_key=True),
    sa.Column("bias", REAL),
    sa.Column("embedding", VECTOR(), nullable=False),
)

# Each movie's top-n neighbours, by the part that is compared, for runs with too few movies for an approximate index.
movie_neighbours = sa.Table(
    "movie_neighbours",
    metadata,
    sa.Column("model_run_id", sa.Integer, sa.ForeignKey(model_runs.c.model_run_id), primary_key=True),
    sa.Column("movie_index", sa.Integer, primary_key=True),
    sa.Column("neighbours", ARRAY(sa.Integer)),  # NULL: came after the training, so it is no movie's neighbour
)
sa.Index(
    "movie_neighbours_later_idx",
    movie_neighbours.c.model_run_id,
    movie_neighbours.c.movie_index,
    postgresql_where=movie_neighbours.c.neighbours.is_(None),
)

# The strongest next movies of each movie, by channel, from 1; channel 0 has what its users also watched.
next_movies = sa.Table(
    "next_movies",
    metadata,
    sa.Column("model_run_id", sa.Integer, sa.ForeignKey(model_runs.c.model_run_id), primary_key=True),
    sa.Column("movie_index", sa.Integer, primary_key=True),
    sa.Column("channel", sa.SmallInteger, primary_key=True),
    sa.Column("folded_in", sa.Boolean, primary_key=True, server_default=sa.false()),  # by refresh, after the training
    sa.Column("next_indexes", ARRAY(sa.Integer), nullable=False),
    sa.Column("weights", ARRAY(REAL), nullable=False),
    # In channel 0: how many users the movie had in training, and how many transitions from it, as rules count them.
    sa.Column("user_count", sa.Integer),
    sa.Column("transitions", REAL),
)

# The vectors that say what comes next: a movie's own in channel 0, and from 1 on what it adds to a history.
next_vectors = sa.Table(
    "next_vectors",
    metadata,
    sa.Column("model_run_id", sa.Integer, sa.ForeignKey(model_runs.c.model_run_id), primary_key=True),
    sa.Column("movie_index", sa.Integer, primary_key=True),
    sa.Column("channel", sa.SmallInteger, primary_key=True),
    sa.Column("embedding", VECTOR(), nullable=False),
)

# The movies of each trained run that ranks by products, in the order in which best_movies looks at them: longest vector
# first. It is made of movie_embeddings and movies, whose triggers keep it (order_movies, copy_movie_filters).
movie_ranking = sa.Table(
    "movie_ranking",
    metadata,
    sa.Column("model_run_id", sa.Integer, primary_key=True),
    sa.Column("movie_index", sa.Integer, primary_key=True),
    sa.Column("length", sa.Double, nullable=False),  # of the vector, with the bias as one more coordinate
    sa.Column("bias", REAL),
    sa.Column("genre_bits", sa.BigInteger, nullable=False),  # as embrec.genre_bits(genres) computes them
    sa.Column("release_year", sa.SmallInteger),
    sa.Column("embedding", VECTOR()),  # NULL for a movie with a profile alone
    sa.Column("profile", VECTOR()),
    # True for a vector of what comes next (next_vectors), false for one of the run's lists.
    sa.Column("next", sa.Boolean, primary_key=True, server_default=sa.false()),
)
sa.Index("movie_ranking_length_idx", movie_ranking.c.model_run_id, movie_ranking.c.next, movie_ranking.c.length)

experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("experiment_id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("control_run", sa.Integer, sa.ForeignKey(model_runs.c.model_run_id), nullable=False),
    sa.Column("treatment_run", sa.Integer, sa.ForeignKey(model_runs.c.model_run_id), nullable=False),
    sa.Column(
        "treatment_share",
        sa.Double,
        sa.CheckConstraint("treatment_share > 0 AND treatment_share < 1", name="treatment_share"),
        nullable=False,
    ),
    sa.Column("started_at", timestamptz, nullable=False, server_default=sa.func.now()),
    sa.Column("ended_at", timestamptz),  # NULL while it runs
)
# One at a time.
sa.Index(
    "experiments_running_idx",
    experiments.c.ended_at,
    unique=True,
    postgresql_where=experiments.c.ended_at.is_(None),
    postgresql_nulls_not_distinct=True,
)

# The first time that a user was shown what an experiment has for them. Visitors are no users before they rate, so the
# id need not be one of embrec.users.
exposures = sa.Table(
    "exposures",
    metadata,
    sa.Column("experiment_id", sa.Integer, sa.ForeignKey(experiments.c.experiment_id), primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column(
        "variant",
        sa.Text,
        sa.CheckConstraint("variant IN ('control', 'treatment')", name="variant"),
        nullable=False,
    ),
    sa.Column("model_run_id", sa.Integer, sa.ForeignKey(model_runs.c.model_run_id), nullable=False),
    sa.Column("exposed_at", timestamptz, nullable=False, server_default=sa.func.now()),
)

# Outcomes of users who were exposed to an experiment.
outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("experiment_id", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("outcome_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column(
        "value",
        sa.Double,
        sa.CheckConstraint("value > '-Infinity' AND value < 'Infinity'", name="value"),
        nullable=False,
    ),
    sa.Column("occurred_at", timestamptz, nullable=False, server_default=sa.func.now()),
    sa.ForeignKeyConstraint(["experiment_id", "user_id"], [exposures.c.experiment_id, exposures.c.user_id]),
)

# Options for Alembic's comparison of a database with this metadata: only our schema, without the partitions of runs,
# which are data.
COMPARISON = {
    "include_schemas": True,
    "include_name": lambda name, kind, parents: name == SCHEMA if kind == "schema" else True,
    "include_object": lambda thing, name, kind, reflected, other: (
        kind != "table" or not (name == "alembic_version" or "_run_" in name)
    ),
}
