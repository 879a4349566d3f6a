"""The tasks of an evaluation by name: each with its splits and its contenders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from embrec.errors import ConfigError
from embrec.evaluation import evaluate, list_baselines, next_baselines, next_steps
from embrec.evaluation.contender import Contender
from embrec.evaluation.contenders import next_model
from embrec.evaluation.data import EvaluationData
from embrec.evaluation.outcome import Outcome, Progress, quiet

TASKS = ("ratings", "top-n", "similar", "next")
# The splits of the tasks that have several, the default first.
SPLITS = {"ratings": ("random", "official", "time"), "top-n": ("random", "time"), "next": ("leave-last-out", "time")}


@dataclass(frozen=True)
class Protocol:
    """The choices of an evaluation that are not the models'.

    Attributes:
        split: A split's name, for the tasks that have it; the others take their default. None for all defaults.
        seeds: Number of splits of the lists and of similar movies.
        groups: For some movies, by id, the group of movies that should be similar.
        repeats: True if the next step may repeat a movie.
    """

    split: str | None = None
    seeds: int = 3
    groups: Mapping[str, str] = field(default_factory=dict)
    repeats: bool = False

    def check(self, tasks: Sequence[str]) -> None:
        """Check the names of tasks, and that one of them has the split.

        Raises:
            ConfigError: There is no such task, or none of them has the split.
        """
        if unknown := set(tasks) - set(TASKS):
            raise ConfigError(f"There is no task {', '.join(sorted(unknown))}. Choose of: {', '.join(TASKS)}")
        if self.split is not None and not any(self.split in SPLITS.get(task, ()) for task in tasks):
            known = "; ".join(f"{task}: {', '.join(ways)}" for task, ways in SPLITS.items())
            raise ConfigError(f"No task to evaluate has the split {self.split}. Choose a split of the task: {known}")

    def split_of(self, task: str) -> str:
        """Return the name of a task's split."""
        return self.split if self.split in SPLITS[task] else SPLITS[task][0]


def outcomes(
    data: EvaluationData, contenders: Sequence[Contender], task: str, protocol: Protocol, progress: Progress = quiet
) -> list[Outcome]:
    """Measure contenders in a task, beside the baselines of lists from events.

    The contenders of the next step are always the same: embrec's model of it, and the baselines.

    Raises:
        DataError: The data do not allow the task.
    """
    seeds = range(protocol.seeds)
    if task == "ratings":
        return evaluate.rate(data, contenders, protocol.split_of(task), progress=progress)
    if task == "top-n":
        everybody = [*contenders, *list_baselines.beside(data.ratings)]
        return evaluate.rank(data, everybody, seeds, progress, protocol.split_of(task))
    if task == "similar":
        return evaluate.compare(data, contenders, seeds, protocol.groups, progress)
    sequences = data.sequences()
    followers = [next_model(), *next_baselines.baselines(sequences)]
    return next_steps.follow(sequences, followers, protocol.split_of(task), protocol.repeats, progress)
