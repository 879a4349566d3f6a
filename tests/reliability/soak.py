"""A soak test: sixteen concurrent clients of one database while runs change; every answer is compared with numpy.

    python tests/reliability/soak.py [MINUTES]

Prints a table. The exit status is 1 if an answer was wrong, an error was not one to try again, or memory or the
database grew without end.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import sqlalchemy as sa

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data import SERVING, load_frame, rating_frame, two_part_run

import embrec
from embrec import db
from embrec.db import embedded, schema
from embrec.errors import ConflictError
from embrec.runs import embeddings, publishing, records

CLIENTS = 16
USERS, MOVIES, RATINGS = 200, 100, 4000
KEPT_RUNS = 4  # in the database
REMEMBERED = 40  # in this process: a reader may have an answer of a run that is deleted meanwhile
BATCHES = 20  # loaded repeatedly, so that the data does not grow
TOLERANCE = 2e-4
MEGABYTE = 1 << 20


@dataclass
class Publication:
    """An interval in which a run may have been published: it ends when the next one was published for certain."""

    run: int
    since: float
    until: float = float("inf")


class Truth:
    """The expected answers: each run's vectors, and the time when it was published."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.ratings = frame.set_index(["user_id", "movie_id"]).rating
        self.vectors: dict[int, dict[str, np.ndarray]] = {}
        self.publications: list[Publication] = []
        self._changed = threading.Condition()

    def published(self, run: int, since: float, vectors: dict[str, np.ndarray] | None = None) -> None:
        """Record that a run is published now, by a call that began at ``since``."""
        with self._changed:
            if self.publications:
                self.publications[-1].until = time.monotonic()
            self.publications.append(Publication(run, since))
            del self.publications[:-REMEMBERED]
            if vectors is not None:
                self.vectors[run] = vectors
                for forgotten in sorted(self.vectors)[:-REMEMBERED]:
                    del self.vectors[forgotten]
            self._changed.notify_all()

    def of(self, answered: pd.DataFrame, began: float) -> dict[str, np.ndarray]:
        """Return the vectors of an answer's run, after a check that it was published since the question."""
        (run,) = set(answered.model_run_id)
        ended = time.monotonic()

        def then() -> bool:
            return any(p.run == run and p.since <= ended and p.until >= began for p in self.publications)

        with self._changed:  # the trainer records a publication a moment later
            assert self._changed.wait_for(then, 10), f"an answer of run {run}, which was not published"
            return self.vectors[run]


def best(values: np.ndarray, kept: np.ndarray, n: int) -> tuple[dict[str, float], list[float]]:
    """Return the movies' values, and the n highest."""
    return {str(100 + movie): float(values[movie]) for movie in np.flatnonzero(kept)}, sorted(values[kept])[
        : -n - 1 : -1
    ]


def check(ids: pd.Series, values: pd.Series, right: tuple[Mapping[str, float], list[float]]) -> None:
    """Compare an answer with the value of each id, and with the highest values."""
    by_id, highest = right
    assert len(set(ids)) == len(ids) == len(highest)
    np.testing.assert_allclose(values, [by_id[each] for each in ids], atol=TOLERANCE, rtol=TOLERANCE)
    np.testing.assert_allclose(values, highest, atol=TOLERANCE, rtol=TOLERANCE)


def cosines(vectors: np.ndarray, own: int) -> np.ndarray:
    """Return the cosine similarity of one row with all."""
    wide = vectors.astype(np.float64)
    return wide @ wide[own] / np.linalg.norm(wide, axis=1) / np.linalg.norm(wide[own])


def scores(vectors: Mapping[str, np.ndarray], own: Mapping[int, float]) -> np.ndarray:
    """Return the scores of all movies for a user with these ratings."""
    place = (np.array(list(own.values())) - 1) / 4
    weights = np.where(place <= 0.25, -0.2 * (1 - 2 * place), (0.2 + 0.8 * place) ** 1.5)
    profiles = vectors["movie profile"].astype(np.float64)[[movie - 100 for movie in own]]
    return vectors["movie preference"].astype(np.float64) @ (weights @ profiles)


@dataclass
class Result:
    """The results, by kind of work."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    retries: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    sizes: list[dict[str, float]] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """The number of calls that were made and compared."""
        return sum(map(len, self.seconds.values()))

    def growth(self, name: str) -> float:
        """Return the growth from the second third to the last, in megabytes; the first third warms up."""
        third = len(self.sizes) // 3
        earlier, later = self.sizes[third : 2 * third], self.sizes[2 * third :]
        return float(np.median([each[name] for each in later]) - np.median([each[name] for each in earlier]))

    def table(self) -> str:
        """Return the results as a table."""
        lines = [f"{'work':20}{'count':>9}{'again':>7}{'p50 ms':>9}{'p99 ms':>9}"]
        for name, seconds in sorted(self.seconds.items()):
            p50, p99 = np.percentile(seconds, [50, 99]) * 1000
            lines.append(f"{name:20}{len(seconds):9,}{self.retries[name]:7,}{p50:9.1f}{p99:9.1f}")
        lines.append(f"{'all':20}{self.answered:9,}{self.retries.total():7,}")
        for name in self.sizes[-1]:
            third = len(self.sizes) // 3
            early, late = self.sizes[third][name], self.sizes[-1][name]
            growth = f"{self.growth(name):+.0f} MB in the last third"
            lines.append(f"{name}: {early:.0f} MB after a third, {late:.0f} MB at the end, {growth}")
        lines.append(f"{len(self.wrong)} wrong answers, {len(self.errors)} errors")
        return "\n".join([*lines, *self.wrong[:5], *self.errors[:5]])


class Client:
    """One client with a connection of its own; it asks, and rates as a user of its own."""

    def __init__(self, number: int, url: str, truth: Truth, result: Result) -> None:
        self.number, self.truth, self.result = number, truth, result
        self.engine = db.create_engine(url)
        self.random = random.Random(number)  # noqa: S311 - to choose what to ask
        self.own: dict[int, float] = {}
        self.user = f"client {number}"
        self.work: dict[Callable[[], None], int] = {
            self.similar_movies: 20,
            self.recommend_movies: 20,
            self.predict_rating: 20,
            self.similar_users: 10,
            self.popular_movies: 5,
            self.add_rating: 14,
            self.remove_rating: 8,
            self.refresh_statistics: 1,
            self.load: 1,
        }

    def go_on(self, until: float) -> None:
        """Ask until a time; errors that may be tried again are counted, and tried again."""
        while time.monotonic() < until:
            (step,) = self.random.choices(list(self.work), list(self.work.values()))
            began = time.monotonic()
            try:
                step()
            except ConflictError:
                self.result.retries[step.__name__] += 1
            except AssertionError as error:
                self.result.wrong.append(f"{step.__name__}: {error}")
            except Exception as error:
                self.result.errors.append(f"{step.__name__}: {type(error).__name__}: {error}")
            else:
                self.result.seconds[step.__name__].append(time.monotonic() - began)
        self.engine.dispose()

    def similar_movies(self) -> None:
        """Compare similar movies with cosines times the movies' lengths."""
        own, began = self.random.randrange(MOVIES), time.monotonic()
        answer = embrec.similar_movies(self.engine, 100 + own)
        vectors = self.truth.of(answer, began)["movie similarity"]
        right = cosines(vectors, own) * np.linalg.norm(vectors.astype(np.float64), axis=1)
        check(answer.movie_id, answer.similarity, best(right, np.arange(MOVIES) != own, 10))

    def similar_users(self) -> None:
        """Compare similar users with cosine similarities of the users in the training."""
        own, began = self.random.randrange(USERS), time.monotonic()
        answer = embrec.similar_users(self.engine, f"u{own}")
        right = cosines(self.truth.of(answer, began)["user similarity"], own)
        np.testing.assert_allclose(answer.similarity, np.sort(right)[-2:-12:-1], atol=TOLERANCE)

    def recommend_movies(self) -> None:
        """Compare recommendations for a user whose ratings do not change."""
        user = f"u{self.random.randrange(1, USERS)}"  # the first has rated all
        self._recommended(user, {int(movie): rating for movie, rating in self.truth.ratings[user].items()})

    def _recommended(self, user: str, rated: Mapping[int, float]) -> None:
        began = time.monotonic()
        answer = embrec.recommend_movies(self.engine, user)
        if max(rated.values()) <= 2:  # dislikes alone
            assert set(answer.basis) == {"popularity"}
            assert not set(answer.movie_id.astype(int)) & set(rated)
            return
        assert set(answer.basis) == {"ratings"}
        kept = np.ones(MOVIES, bool)
        kept[[movie - 100 for movie in rated]] = False
        check(answer.movie_id, answer.score, best(scores(self.truth.of(answer, began), rated), kept, 10))

    def predict_rating(self) -> None:
        """Compare a prediction with the run's mean, biases and vectors."""
        user, movie, began = self.random.randrange(USERS), self.random.randrange(MOVIES), time.monotonic()
        answer = embrec.predict_ratings(self.engine, [f"u{user}"], [100 + movie])
        vectors = self.truth.of(answer, began)
        product = vectors["user rating"][user].astype(np.float64) @ vectors["movie rating"][movie]
        right = SERVING["mean"] + vectors["user bias"][user] + vectors["movie bias"][movie] + product
        np.testing.assert_allclose(answer.predicted_rating, [np.clip(right, 1, 5)], atol=TOLERANCE)
        assert 1 <= embrec.predict_rating(self.engine, f"u{user}", 100 + movie) <= 5

    def popular_movies(self) -> None:
        """Check only the order of popular movies, because their ratings change."""
        answer = embrec.popular_movies(self.engine, 20)
        assert len(set(answer.movie_id)) == 20
        assert answer.popularity.is_monotonic_decreasing
        assert answer.mean_rating.between(1, 5).all()

    def add_rating(self) -> None:
        """Add a rating, and check that the next answer uses it."""
        movie, rating = 100 + self.random.randrange(MOVIES // 2), float(self.random.randrange(1, 6))
        embrec.add_rating(self.engine, self.user, movie, rating)
        self.own[movie] = rating
        self._recommended(self.user, self.own)

    def remove_rating(self) -> None:
        """Remove a rating, and check that the next answer ignores it."""
        movie = self.random.choice(list(self.own) or [100])
        assert embrec.remove_rating(self.engine, self.user, movie) == (self.own.pop(movie, None) is not None)
        if self.own:
            self._recommended(self.user, self.own)

    def refresh_statistics(self) -> None:
        """Refresh the statistics while others read them."""
        assert embrec.refresh_statistics(self.engine)

    def load(self) -> None:
        """Load a batch of users of the client's own, whose ratings change each time."""
        batch = self.random.randrange(BATCHES)
        frame = rating_frame(users=10, movies=MOVIES, count=150, seed=batch)
        frame["user_id"] = f"batch {batch} " + frame.user_id
        frame["rating"] = self.random.randrange(1, 6)
        frame["rated_at"] = int(time.time())
        report = load_frame(self.engine, frame)
        assert report.read == len(frame) == report.inserted + report.updated + report.unchanged


class Trainer:
    """A trainer that stores and publishes runs, indexes some, rolls back and deletes."""

    def __init__(self, engine: sa.Engine, truth: Truth, result: Result) -> None:
        self.engine, self.truth, self.result = engine, truth, result
        self.random = random.Random(0)  # noqa: S311 - to choose what to do
        self.seed = 0

    def go_on(self, until: float) -> None:
        """Change the published run repeatedly, until a time."""
        while time.monotonic() < until:
            step = self.random.choice([self.publish, self.publish, self.rollback])
            began = time.monotonic()
            try:
                step()
                self.delete()
            except ConflictError:
                self.result.retries[step.__name__] += 1
            except Exception as error:
                self.result.errors.append(f"{step.__name__}: {type(error).__name__}: {error}")
            else:
                self.result.seconds[step.__name__].append(time.monotonic() - began)
            time.sleep(0.2)

    def publish(self) -> None:
        """Publish a new run; every other one gets indexes, as runs of very many movies do."""
        self.seed, began = self.seed + 1, time.monotonic()
        vectors = two_part_run(self.engine, self.seed)
        run = records.list_runs(self.engine)[0].model_run_id
        self.truth.published(run, began, vectors)
        if self.seed % 2:
            embeddings.index(self.engine, run, "movie", "similarity")

    def rollback(self) -> None:
        """Roll back to the previous run, if there is one."""
        if len(records.list_runs(self.engine)) > 1:
            began = time.monotonic()
            self.truth.published(publishing.rollback(self.engine), began)

    def delete(self) -> None:
        """Delete the oldest runs, and those that were rolled back."""
        found = records.list_runs(self.engine)
        published = next(run.model_run_id for run in found if run.published)
        later = [run.model_run_id for run in found if run.model_run_id > published]
        earlier = [run.model_run_id for run in found if run.model_run_id < published]
        for run in later + earlier[KEPT_RUNS - 1 :]:
            publishing.delete(self.engine, run)


def _sizes(engine: sa.Engine) -> dict[str, float]:
    """Return the megabytes of the database, of its sessions' processes, and of this process."""
    query = (
        "SELECT pg_database_size(current_database()), array_agg(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend'"
    )
    with db.begin(engine) as connection:
        size, pids = connection.execute(sa.text(query)).one()
    sessions = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):  # it has ended, or the server is elsewhere
            if "postgres" in (process := psutil.Process(pid)).name():
                sessions += process.memory_full_info().uss
    own = psutil.Process().memory_info().rss
    return {"database": size / MEGABYTE, "sessions": sessions / MEGABYTE, "clients": own / MEGABYTE}


@contextlib.contextmanager
def _all_indexed() -> Iterator[None]:
    """Lower the number of vectors from which runs get indexes."""
    before, embeddings.INDEXED_FROM = embeddings.INDEXED_FROM, 1
    try:
        yield
    finally:
        embeddings.INDEXED_FROM = before


def soak(url: str, seconds: float) -> Result:
    """Run all clients and the trainer on a database with the newest schema and no rows."""
    frame = rating_frame(USERS, MOVIES, RATINGS)
    number = frame.user_id.str[1:].astype(int)
    # The first user has rated all movies, so that users and movies are numbered in their order.
    frame = frame.assign(number=number).sort_values(["number", "movie_id"]).drop(columns="number")
    engine, result, truth = db.create_engine(url), Result(), Truth(frame)
    load_frame(engine, frame)
    trainer = Trainer(engine, truth, result)
    until = time.monotonic() + seconds
    with _all_indexed():
        trainer.publish()
        workers = [trainer, *(Client(each, url, truth, result) for each in range(CLIENTS))]
        threads = [threading.Thread(target=worker.go_on, args=[until]) for worker in workers]
        for thread in threads:
            thread.start()
        while time.monotonic() < until:
            result.sizes.append(_sizes(engine))
            time.sleep(min(seconds / 45, 5))
        for thread in threads:
            thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    engine.dispose()
    return result


def main() -> int:
    """Run the soak test on an embedded server of its own."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory(prefix="embrec-soak-") as home:
        Path(home).chmod(0o711)  # as root the server runs as another user
        server = embedded.LocalServer(Path(home))
        try:
            url = server.start()
            engine = db.create_engine(url)
            schema.upgrade(engine)
            engine.dispose()
            result = soak(url, minutes * 60)
        finally:
            server.stop()
    print(result.table())
    return int(bool(result.wrong or result.errors or grows(result)))


def grows(result: Result) -> list[str]:
    """List the sizes that grew more than they may; caches of sessions, the catalogue and dead rows level off."""
    allowed = {"database": 24, "sessions": 4 * CLIENTS, "clients": 32}
    return [name for name, most in allowed.items() if result.growth(name) > most]


if __name__ == "__main__":
    sys.exit(main())
