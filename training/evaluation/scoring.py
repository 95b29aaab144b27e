"""Scores of every method on the test recordings, by muscle, recording and gait cycle."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nem2e_tf.pipeline import Pair
from nem2e_tf.signals import RATE, gait_cycles, metrics

from .warping import cycle_starts

SCORES = ("rmse", "nrmse", "r", "r2", "lag_ms")
DEFAULT_MUSCLES = (
    "tibialis_anterior",
    "gastrocnemius_medialis",
    "rectus_femoris",
    "vastus_lateralis",
    "biceps_femoris",
)
"""The default muscles; the rest of the nine are soleus, gastrocnemius lateralis, semimembranosus
and vastus medialis."""


Estimate = Callable[[Pair], pd.DataFrame]
"""Takes a pair, of which the measured envelopes are not used, to `(frames, channels)`."""


@dataclass(frozen=True)
class Method:
    """A way to estimate envelopes.

    Args:
        estimate: Estimate.
        unit: by channel, the largest envelope of a person that the method was fitted to; None
            where it was not fitted, as in the raw simulation.
        parameters: trained weights of a network, or None.
    """

    estimate: Estimate
    unit: Mapping[str, float] | None = None
    parameters: int | None = None

    def relative_estimate(self, pair: Pair) -> pd.DataFrame:
        """The estimate in shares of a maximum: the method's unit, or else the estimate's own."""
        estimate = self.estimate(pair)
        return estimate / (
            estimate.max().clip(lower=1e-9) if self.unit is None else pd.Series(dict(self.unit))
        )


@dataclass(frozen=True)
class ScoredRecording:
    """A test recording with the estimates of every method.

    Args:
        subject: whose.
        measured: `(frames, channels)`, envelopes, as they were scored.
        estimates: by method, the same rows and columns.
        starts: `(cycles + 1,)`, seconds at which gait cycles begin; empty where none is complete.
    """

    subject: str
    measured: pd.DataFrame
    estimates: dict[str, pd.DataFrame]
    starts: np.ndarray

    @classmethod
    def from_pair(
        cls,
        pair: Pair,
        methods: Mapping[str, Method],
        has_measured_unit: bool,
    ) -> "ScoredRecording":
        """Estimate a pair by every method.

        Args:
            pair: Pair.
            methods: by name.
            has_measured_unit: whether values stay as they are; else each channel of the
                measurement is divided by its own maximum, and estimates are
                `Method.relative_estimate`.
        """
        measured = pair.measured
        estimates = {
            name: (method.estimate if has_measured_unit else method.relative_estimate)(pair)[
                measured.columns
            ]
            for name, method in methods.items()
        }
        if not has_measured_unit:
            measured = measured / measured.max().clip(lower=1e-9)
        return cls(pair.subject, measured, estimates, cycle_starts(pair))


@dataclass
class Section:
    """All recordings whose results belong together.

    Args:
        protocol: of `training.evaluation.protocols.PROTOCOLS`.
        title: the training and test recordings.
        data: real recordings or virtual people.
        has_measured_unit: see `ScoredRecording.from_pair`.
        tested: the recordings.
        parameters: by method, of its network.
    """

    protocol: str
    title: str
    data: str
    has_measured_unit: bool
    tested: list[ScoredRecording] = field(default_factory=list)
    parameters: dict[str, int | None] = field(default_factory=dict)

    @property
    def muscles(self) -> list[str]:
        """The measured channels."""
        return list(self.tested[0].measured.columns)

    @property
    def methods(self) -> list[str]:
        """The scored methods."""
        return list(self.parameters)

    @property
    def subjects(self) -> list[str]:
        """The people in the test recordings."""
        return sorted({tested.subject for tested in self.tested})

    @property
    def seconds(self) -> float:
        """Seconds of all test recordings."""
        return sum(len(tested.measured) for tested in self.tested) / RATE

    @property
    def cycles(self) -> int:
        """Number of complete gait cycles."""
        return sum(max(0, len(tested.starts) - 1) for tested in self.tested)


def scores(section: Section) -> pd.DataFrame:
    """Errors and scores of every method, person and muscle.

    Returns:
        A row each `(method, subject, muscle)`. Columns `SCORES` over the whole recording, as
        `metrics.score_table` gives them; `cycle_<score>`, taken in each gait cycle and averaged
        over a person's; and `cycle_<score>_sd`, their standard deviation over the cycles.
    """
    tables = []
    for method in section.methods:
        for tested in section.tested:
            whole, each = _score_tables(tested, method)
            columns = [whole]
            if each:
                every = np.stack([table.to_numpy() for table in each])
                spread = every.std(axis=0, ddof=1) if len(each) > 1 else np.full_like(every[0], 0.0)
                for values, suffix in ((every.mean(axis=0), ""), (spread, "_sd")):
                    names = [f"cycle_{score}{suffix}" for score in whole.columns]
                    columns.append(pd.DataFrame(values, index=whole.index, columns=names))
            table = pd.concat(columns, axis=1)
            tables.append(pd.concat({(method, tested.subject): table}))
    joined = pd.concat(tables).rename_axis(["method", "subject", "muscle"])
    # A person with several recordings counts once.
    return joined.groupby(level=["method", "subject", "muscle"], sort=False).mean()


def _score_tables(tested: ScoredRecording, method: str) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """The table of the whole recording, and that of each of its gait cycles."""
    estimate, time = tested.estimates[method], tested.measured.index.to_numpy()
    each = []
    for first, last in zip(tested.starts[:-1], tested.starts[1:], strict=True):
        inside = (time >= first) & (time < last)
        each.append(metrics.score_table(tested.measured[inside], estimate[inside], RATE))
    return metrics.score_table(tested.measured, estimate, RATE), each


def absolute_errors(section: Section, method: str) -> np.ndarray:
    """Absolute error over the gait cycle, mean over each person's cycles.

    Returns:
        `(subjects, 101, muscles)`, without the people who have no whole cycle.
    """
    by: dict[str, list[np.ndarray]] = {}
    for tested in section.tested:
        if len(tested.starts) > 1:
            error = (tested.estimates[method] - tested.measured).abs()
            by.setdefault(tested.subject, []).append(gait_cycles(error, tested.starts))
    found = [np.concatenate(by[subject]).mean(axis=0) for subject in sorted(by)]
    return np.stack(found) if found else np.empty((0, 101, len(section.muscles)))


def summary(table: pd.DataFrame, muscles: Sequence[str]) -> pd.DataFrame:
    """A row a method, over some of the muscles.

    Args:
        table: of `scores`.
        muscles: which count.

    Returns:
        Columns: each score, the mean over muscles and then people; `<score>_sd`, its standard
        deviation over people, NaN for one; `to_raw` and `to_ridge`, RMSE over that of raw and
        ridge; `better`, the muscles whose mean RMSE is lower than raw's; `of`, their number.
    """
    chosen = table[table.index.get_level_values("muscle").isin(muscles)]
    by_person = chosen.groupby(level=["method", "subject"], sort=False).mean()
    by_method = by_person.groupby(level="method", sort=False)
    mean = by_method.mean()
    spread = by_method.std()[list(SCORES)].add_suffix("_sd")
    result = pd.concat([mean, spread], axis=1)
    rmse = chosen["rmse"].groupby(level=["method", "muscle"], sort=False).mean().unstack("muscle")
    for other in ("raw", "ridge"):
        known = result["rmse"].get(other, np.nan)
        result[f"to_{other}"] = result["rmse"] / known
    # A difference by rounding alone is not an improvement.
    result["better"] = (rmse < (1.0 - 1e-6) * rmse.loc["raw"]).sum(axis=1)
    result["of"] = rmse.shape[1]
    return result


def muscle_means(table: pd.DataFrame) -> pd.DataFrame:
    """A row a method and muscle: each score's mean over people, and `<score>_sd`, their spread."""
    by = table.groupby(level=["method", "muscle"], sort=False)
    return pd.concat([by.mean(), by.std()[list(SCORES)].add_suffix("_sd")], axis=1)
