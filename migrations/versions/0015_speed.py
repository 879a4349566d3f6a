"""Speed: what answers, counts and trainings read and write less for.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy.dialects.postgresql import BIT, REAL, TSVECTOR

from embrec.db.resources import executable, statement, uninstall

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _count_by_movie()
    op.execute(statement(CHANGED_FUNCTIONS))
    _fingerprint_folded_in_movies()
    _create_movie_ranking()
    _create_movie_titles()
    _store_users_in_half()


def downgrade() -> None:
    op.execute(uninstall())
    op.drop_table("movie_ranking", schema="embrec")
    op.drop_column("movie_embeddings", "fingerprint", schema="embrec")
    _count_by_materialized_views()
    op.drop_table("movie_titles", schema="embrec")
    _store_users_in_full()


# The views that take the place of materialized views of the same names, as this revision leaves them.
STATISTICS = """
CREATE VIEW embrec.movie_statistics AS
SELECT
    c.movie_index,
    c.rating_count,
    c.rating_sum / nullif(c.rating_count, 0) AS mean_rating,
    (c.rating_sum + o.weight * o.mean) / (c.rating_count + o.weight) AS popularity
FROM embrec.movie_counts AS c
LEFT JOIN (
    SELECT
        sum(a.rating_sum) / nullif(sum(a.rating_count), 0)::double precision AS mean,
        sum(a.rating_count)::double precision / greatest(count(*) FILTER (WHERE a.rating_count > 0), 1) AS weight
    FROM embrec.movie_counts AS a
) AS o ON true
"""
LIKES = """
CREATE VIEW embrec.movie_likes AS
SELECT c.movie_index, c.like_count, c.popularity_rank
FROM embrec.movie_counts AS c
WHERE c.popularity_rank IS NOT NULL
"""
# The counts of before. Their range of ratings is not known, so the next load or training counts anew.
COUNTS_OF_BEFORE = """
INSERT INTO embrec.movie_counts (movie_index, rating_count, rating_sum, like_count, popularity_rank)
SELECT
    s.movie_index,
    s.rating_count,
    coalesce(s.rating_count * s.mean_rating, 0),
    coalesce(l.like_count, 0),
    l.popularity_rank
FROM embrec.movie_statistics_0014 AS s
LEFT JOIN embrec.movie_likes_0014 AS l ON l.movie_index = s.movie_index
"""
# Ratings that were never counted, as after a first load that ended while it counted.
NEVER_COUNTED = """
INSERT INTO embrec.uncounted_ratings (movie_index, rating, number)
SELECT r.movie_index, r.rating, count(*)
FROM embrec.ratings AS r
WHERE NOT EXISTS (SELECT FROM embrec.movie_counts AS c WHERE c.rating_count > 0)
GROUP BY r.movie_index, r.rating
"""
# Functions and views of the schema need the materialized views by identity, not by name. They are made again of their
# own text, and so answer until the upgrade installs the new ones. An object of the host's must be dropped first.
REDIRECT = r"""
DO $$
DECLARE
    definition text;
    used_by text;
BEGIN
    FOR definition IN
        WITH former AS (
            SELECT d.classid, d.objid
            FROM pg_depend AS d
            WHERE d.refclassid = 'pg_class'::regclass
                AND d.refobjid IN ('embrec.movie_statistics_0014'::regclass, 'embrec.movie_likes_0014'::regclass)
        )
        SELECT format('CREATE OR REPLACE VIEW %s AS %s', c.oid::regclass, pg_get_viewdef(c.oid))
        FROM pg_class AS c
        WHERE c.relnamespace = 'embrec'::regnamespace AND c.relkind = 'v' AND EXISTS (
            SELECT
            FROM former AS f
            JOIN pg_rewrite AS w ON f.classid = 'pg_rewrite'::regclass AND w.oid = f.objid
            WHERE w.ev_class = c.oid
        )
        UNION ALL
        SELECT pg_get_functiondef(p.oid)
        FROM pg_proc AS p
        WHERE p.pronamespace = 'embrec'::regnamespace
            AND EXISTS (SELECT FROM former AS f WHERE f.classid = 'pg_proc'::regclass AND f.objid = p.oid)
    LOOP
        EXECUTE replace(
            replace(definition, 'movie_statistics_0014', 'movie_statistics'), 'movie_likes_0014', 'movie_likes'
        );
    END LOOP;
    DROP MATERIALIZED VIEW embrec.movie_likes_0014, embrec.movie_statistics_0014;
EXCEPTION WHEN dependent_objects_still_exist THEN
    GET STACKED DIAGNOSTICS used_by = PG_EXCEPTION_DETAIL;
    RAISE EXCEPTION 'movie_statistics and movie_likes become views' USING
        DETAIL = replace(used_by, '_0014', ''),
        HINT = 'Drop what depends on them, run embrec db upgrade, and make it again.',
        ERRCODE = 'dependent_objects_still_exist';
END
$$
"""


def _count_by_movie() -> None:
    """Create the counts that loads add to, in place of materialized views that are made anew of all ratings."""
    for name in ("movie_statistics", "movie_likes"):
        op.execute(f"ALTER MATERIALIZED VIEW embrec.{name} RENAME TO {name}_0014")
    op.create_table(
        "movie_counts",
        sa.Column("movie_index", sa.Integer, autoincrement=False),
        sa.Column("rating_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("rating_sum", sa.Double, nullable=False, server_default="0"),
        sa.Column("lowest", REAL),
        sa.Column("highest", REAL),
        sa.Column("like_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("popularity_rank", sa.Integer),
        sa.PrimaryKeyConstraint("movie_index", name="movie_counts_pkey"),
        schema="embrec",
    )
    op.create_table(
        "uncounted_ratings",
        sa.Column("change_id", sa.BigInteger, sa.Identity(always=True)),
        sa.Column("movie_index", sa.Integer, nullable=False),
        sa.Column("rating", REAL, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("change_id", name="uncounted_ratings_pkey"),
        schema="embrec",
    )
    for text in (COUNTS_OF_BEFORE, NEVER_COUNTED, STATISTICS, LIKES, REDIRECT):
        op.execute(statement(text))


# As revision 0014 made it.
MATERIALIZED_LIKES = """
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


def _count_by_materialized_views() -> None:
    """Drop the counts, and make the materialized views of before anew."""
    op.drop_table("uncounted_ratings", schema="embrec")
    op.drop_table("movie_counts", schema="embrec")
    op.execute(executable("baseline/movie_statistics"))
    op.execute(statement(MATERIALIZED_LIKES))
    op.execute("CREATE UNIQUE INDEX movie_likes_movie_index_idx ON embrec.movie_likes (movie_index)")


# Functions that are gone or have other parameters. Their arguments are of any schema that has pgvector.
CHANGED_FUNCTIONS = """
DO $$
DECLARE
    changed text;
BEGIN
    FOR changed IN
        SELECT p.oid::regprocedure::text
        FROM pg_proc AS p
        WHERE p.pronamespace = 'embrec'::regnamespace AND p.proname IN (
            'folded_in_movie', 'solved_movie_rating', 'movies_like', 'mean_movie', 'index_ranking', 'best_movies'
        )
    LOOP
        EXECUTE format('DROP FUNCTION %s', changed);
    END LOOP;
END
$$
"""


def _fingerprint_folded_in_movies() -> None:
    """Add what a movie was folded in from, so that a refresh does only what has changed; NULL is solved again."""
    op.add_column("movie_embeddings", sa.Column("fingerprint", sa.BigInteger), schema="embrec")


# Vectors of the runs that were trained before, longest first, as the function order_movies writes those of later runs.
ORDER_MOVIES = """
INSERT INTO embrec.movie_ranking (model_run_id, movie_index, length, bias, genre_bits, release_year, embedding, profile)
SELECT
    r.model_run_id,
    m.movie_index,
    coalesce(sqrt(vector_norm(v.embedding) ^ 2 + CASE r.serving WHEN 'dot_product' THEN (
        (coalesce(v.bias, 0) - coalesce(r.lowest_rating::double precision - r.mean, 0))
        / coalesce(sqrt(nullif(r.highest_rating::double precision - r.lowest_rating, 0) / 2), 1)
    ) ^ 2 ELSE 0 END), 0) AS length,
    v.bias,
    (
        SELECT coalesce(bit_or(1::bigint << (get_byte(sha256(convert_to(g.genre, 'UTF8')), 0) & 63)), 0)
        FROM unnest(m.genres) AS g (genre)
    ),
    m.release_year,
    v.embedding,
    v.profile
FROM embrec.model_runs AS r
CROSS JOIN LATERAL (
    SELECT movie_index, e.bias, e.embedding, p.embedding AS profile
    FROM (
        SELECT a.movie_index, a.bias, a.embedding
        FROM embrec.movie_embeddings AS a
        WHERE a.model_run_id = r.model_run_id
            AND a.part = CASE r.serving WHEN 'two_part' THEN 'preference'::embrec.part ELSE 'rating' END
    ) AS e
    FULL JOIN (
        SELECT a.movie_index, a.embedding
        FROM embrec.movie_embeddings AS a
        WHERE a.model_run_id = r.model_run_id AND a.part = 'profile' AND r.serving = 'two_part'
    ) AS p USING (movie_index)
) AS v
JOIN embrec.movies AS m ON m.movie_index = v.movie_index
WHERE r.status = 'trained' AND r.serving IN ('two_part', 'dot_product')
ORDER BY r.model_run_id, length DESC
"""
# The approximate indexes for ranking, the function that made them, and best_movies, whose parameters change: a vector
# is among them, of any schema that has pgvector.
DROP_RANKING_INDEXES = """
DO $$
DECLARE
    gone text;
BEGIN
    FOR gone IN
        SELECT format('INDEX %s', c.oid::regclass)
        FROM pg_class AS c
        WHERE c.relnamespace = 'embrec'::regnamespace AND c.relkind = 'i'
            AND c.relname ~ '^movie_embeddings_run_[0-9]+_preference_ranking$'
        UNION ALL
        SELECT format('FUNCTION %s', p.oid::regprocedure)
        FROM pg_proc AS p
        WHERE p.pronamespace = 'embrec'::regnamespace AND p.proname IN ('best_movies', 'index_ranking')
    LOOP
        EXECUTE 'DROP ' || gone;
    END LOOP;
END
$$
"""


def _create_movie_ranking() -> None:
    """Create the table that ranking reads, with the runs of before; the approximate indexes for ranking go."""
    op.create_table(
        "movie_ranking",
        sa.Column("model_run_id", sa.Integer, nullable=False),
        sa.Column("movie_index", sa.Integer, nullable=False),
        sa.Column("length", sa.Double, nullable=False),
        sa.Column("bias", REAL),
        sa.Column("genre_bits", sa.BigInteger, nullable=False),
        sa.Column("release_year", sa.SmallInteger),
        sa.Column("embedding", VECTOR()),
        sa.Column("profile", VECTOR()),
        sa.PrimaryKeyConstraint("model_run_id", "movie_index", name="movie_ranking_pkey"),
        schema="embrec",
        # Vectors of up to a thousand dimensions stay in their row, because fetching one takes as long as comparing it.
        postgresql_with={"toast_tuple_target": 8160},
    )
    op.execute(statement(ORDER_MOVIES))
    op.create_index("movie_ranking_length_idx", "movie_ranking", ["model_run_id", "length"], schema="embrec")
    op.execute("ANALYZE embrec.movie_ranking")
    op.execute(statement(DROP_RANKING_INDEXES))


def _create_movie_titles() -> None:
    """Create the table that titles are searched in; the upgrade fills it once its functions are installed."""
    op.create_table(
        "movie_titles",
        sa.Column("movie_index", sa.Integer, autoincrement=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("named", sa.Text, nullable=False),
        sa.Column("named_length", sa.Integer, nullable=False),
        sa.Column("pair_bits", BIT(128), nullable=False),
        sa.Column("keys", TSVECTOR, nullable=False),
        sa.PrimaryKeyConstraint("movie_index", name="movie_titles_pkey"),
        schema="embrec",
    )
    op.create_index("movie_titles_folded_idx", "movie_titles", ["folded"], schema="embrec", postgresql_using="hash")
    op.create_index("movie_titles_keys_idx", "movie_titles", ["keys"], schema="embrec", postgresql_using="gin")
    # All that bounds a title's similarity to a query, so that titles are suggested without reading their wide rows.
    op.create_index(
        "movie_titles_bounds_idx",
        "movie_titles",
        ["named_length"],
        schema="embrec",
        postgresql_include=["pair_bits", "movie_index"],
    )


# The planner's statistics would keep vectors of users who are forgotten, as those of the other columns (0014).
NO_STATISTICS = """
DO $$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN SELECT t.relid FROM pg_partition_tree('embrec.user_embeddings') AS t LOOP
        EXECUTE format('ALTER TABLE %s ALTER half SET STATISTICS 0', relation);
    END LOOP;
END
$$
"""


def _store_users_in_half() -> None:
    """Add the column of users' vectors in half precision: a run has either those or the others, in all of its rows."""
    op.alter_column("user_embeddings", "embedding", nullable=True, schema="embrec")
    op.add_column("user_embeddings", sa.Column("half", HALFVEC()), schema="embrec")
    op.execute(statement(NO_STATISTICS))


def _store_users_in_full() -> None:
    """Drop that column; its vectors stay, in single precision. Indexes on it go, which status then names as missing."""
    widen = "UPDATE embrec.user_embeddings SET embedding = half::vector, half = NULL WHERE half IS NOT NULL"
    op.execute(statement(widen))
    op.drop_column("user_embeddings", "half", schema="embrec")
    op.alter_column("user_embeddings", "embedding", nullable=False, schema="embrec")
