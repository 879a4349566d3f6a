"""The tables that loads fill, and the SQL that merges staged rows into them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A table that a load fills.

    Attributes:
        name: The table's name in the schema ``embrec``.
        staged: The columns of a temporary table for rows that are to be merged.
        merge: A statement that merges the rows of ``{staged}``; its row has how many were inserted, and updated.
        counted_by: The column by whose values a movie's rows are counted.
        counts: The table of counts, which is empty while the table is.
        indexes: Indexes, beside those of keys, that are made anew once an empty table is filled.
        numbered_by: The identity column, if there is one.
    """

    name: str
    staged: str
    merge: str
    counted_by: str
    counts: str
    indexes: tuple[str, ...] = ()
    numbered_by: str | None = None

    @property
    def table(self) -> str:
        """The table's name with its schema."""
        return f"embrec.{self.name}"

    @property
    def uncounted(self) -> str:
        """The table of rows that came since the last count, with its schema and columns."""
        return f"embrec.uncounted_{self.name} (movie_index, {self.counted_by}, number)"


RATINGS_TABLE = Target(
    name="ratings",
    staged="user_index integer, movie_index integer, rating real, rated_at timestamptz",
    # A newer rating takes the place of an older one. A row that this statement inserted has no deleting transaction;
    # one that it updated has.
    merge="""
WITH merged AS (
    INSERT INTO embrec.ratings AS r (user_index, movie_index, rating, rated_at)
    SELECT user_index, movie_index, rating, rated_at FROM {staged}
    ON CONFLICT (user_index, movie_index)
    DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at
    WHERE (r.rating, r.rated_at) IS DISTINCT FROM (excluded.rating, excluded.rated_at)
        AND (r.rated_at IS NULL OR excluded.rated_at >= r.rated_at)
    RETURNING r.xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged
""",
    counted_by="rating",
    counts="movie_counts",
)

# Neither is a value NaN nor a time infinite, so each stands for NULL in a join.
_SAME_EVENT = "user_index, movie_index, event_type, coalesce(value, 'NaN'), coalesce(occurred_at, '-infinity')"
EVENTS_TABLE = Target(
    name="events",
    staged=(
        "position bigint GENERATED ALWAYS AS IDENTITY, user_index integer, movie_index integer, event_type smallint,"
        " value real, occurred_at timestamptz, external_id text"
    ),
    # An event is in the table already if its external id is; one without, if there are as many equal ones as rows up to
    # it. So loading again changes nothing, and repeats within an input stay.
    merge=f"""
WITH numbered AS (
    SELECT *, row_number() OVER (PARTITION BY {_SAME_EVENT} ORDER BY position) AS number
    FROM {{staged}} WHERE external_id IS NULL
),
stored (user_index, movie_index, event_type, value, occurred_at, times) AS (
    SELECT {_SAME_EVENT}, count(*) FROM embrec.events
    WHERE (user_index, movie_index) IN (SELECT user_index, movie_index FROM numbered) GROUP BY {_SAME_EVENT}
),
merged AS (
    INSERT INTO embrec.events (user_index, movie_index, event_type, value, occurred_at, external_id)
    SELECT user_index, movie_index, event_type, value, occurred_at, external_id
    FROM (
        SELECT n.position, n.user_index, n.movie_index, n.event_type, n.value, n.occurred_at, n.external_id
        FROM numbered AS n
        LEFT JOIN stored AS s
            ON (s.user_index, s.movie_index, s.event_type) = (n.user_index, n.movie_index, n.event_type)
            AND (s.value, s.occurred_at) = (coalesce(n.value, 'NaN'), coalesce(n.occurred_at, '-infinity'))
        WHERE n.number > coalesce(s.times, 0)
        UNION ALL
        SELECT position, user_index, movie_index, event_type, value, occurred_at, external_id
        FROM {{staged}} WHERE external_id IS NOT NULL
    ) AS new
    ORDER BY position
    ON CONFLICT (external_id) WHERE external_id IS NOT NULL DO NOTHING
    RETURNING 1
)
SELECT count(*), 0 FROM merged
""",
    counted_by="event_type",
    counts="event_counts",
    indexes=("events_newest_idx", "events_occurred_at_idx", "events_external_id_idx"),
    numbered_by="event_id",
)
