"""Scores of an estimate against measured EMG envelopes."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.table import Table

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.signals import metrics
from nem2e_tf.signals.filters import (
    FEWEST_ROWS,
    RATE,
    check_continuous,
    common_time_range,
    resample,
    time_grid,
)
from nem2e_tf.signals.muscles import MuscleMap, combine


@dataclass(frozen=True)
class Agreement:
    """Errors and scores of an estimate, and of a baseline if there is one.

    Args:
        start: seconds, of the range that was compared.
        end: seconds.
        estimate: a row a muscle, as `nem2e_tf.signals.metrics.score_table` gives it.
        baseline: the same for the baseline, or None.
        unscored: measured columns that the estimate does not have.
        measured: `(times, muscles)`, the measured envelopes under the estimate's names.
    """

    start: float
    end: float
    estimate: pd.DataFrame
    baseline: pd.DataFrame | None
    unscored: list[str]
    measured: pd.DataFrame

    @property
    def improved(self) -> list[str] | None:
        """Muscles whose RMSE is lower than the baseline's; None without a baseline."""
        if self.baseline is None:
            return None
        better = self.estimate["rmse"] < self.baseline["rmse"]
        return [str(muscle) for muscle in self.estimate.index[better]]

    def as_rich(self) -> Table:
        """The table, for a terminal."""
        table = Table(title=f"{self.start:g}-{self.end:g} s")
        table.add_column("muscle", no_wrap=True)
        titles = ["RMSE", "NRMSE\n(range)", "r", "R²", "lag\n(ms)"]
        if self.baseline is not None:
            titles += ["baseline\nRMSE", "baseline\nr"]
        for title in titles:
            table.add_column(title, justify="right", no_wrap=True)
        for muscle in [*self.estimate.index, "mean"]:
            e, b = (
                None if t is None else t.mean() if muscle == "mean" else t.loc[muscle]
                for t in (self.estimate, self.baseline)
            )
            assert e is not None
            row = [f"{e[k]:.3f}" for k in ("rmse", "nrmse", "r", "r2")] + [f"{e['lag_ms']:.0f}"]
            if b is not None:
                row += [f"{b['rmse']:.3f}", f"{b['r']:.3f}"]
            table.add_row(str(muscle), *row)
        notes = []
        if self.improved is not None:
            notes.append(f"better than the baseline: {len(self.improved)} of {len(self.estimate)}")
        if self.unscored:
            notes.append(f"measured but not estimated: {', '.join(self.unscored)}")
        table.caption = "; ".join(notes) or None
        return table

    def as_json(self) -> dict[str, Any]:
        """Plain tables and lists."""
        result: dict[str, Any] = {
            "start": self.start,
            "end": self.end,
            "nrmse_denominator": "range of the measured envelope",
            "lag": "ms, positive where the estimate comes late",
            "estimate": {
                "muscles": self.estimate.to_dict("index"),
                "mean": self.estimate.mean().to_dict(),
            },
            "unscored": self.unscored,
        }
        if self.baseline is not None:
            result["baseline"] = {
                "muscles": self.baseline.to_dict("index"),
                "mean": self.baseline.mean().to_dict(),
            }
            result["improved"] = self.improved
            result["improved_count"] = len(self.improved or [])
            result["muscle_count"] = len(self.estimate)
        return result


def score_agreement(
    measured: pd.DataFrame,
    estimate: pd.DataFrame,
    baseline: pd.DataFrame | None = None,
    *,
    muscles: MuscleMap | None = None,
    side: str | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Agreement:
    """Compare an estimate with measured envelopes over their common time, at 100 Hz.

    Columns are paired by the muscle map, and those that it does not have by equal names.

    Args:
        measured: `(rows, channels)`, index `time` in seconds.
        estimate: `(rows, columns)`.
        baseline: `(rows, columns)` or None. Scored on the same muscles and times.
        muscles: MuscleMap or None. None is the package's own.
        side: str or None. `r` or `l`; None is the side that `measured` has.
        start: float or None. Seconds; None is the earliest common time.
        end: float or None. Seconds; None is the latest common time.

    Raises:
        InputError: no muscle or no time in common, or the baseline lacks a muscle.
    """
    muscles = muscles or MuscleMap.load()
    frames = {"measured": measured, "estimate": estimate}
    if baseline is not None:
        frames["baseline"] = baseline
    names = {
        role: f"{role} {frame.attrs.get('path', '')}".strip() for role, frame in frames.items()
    }
    for role, frame in frames.items():
        check_continuous(frame, names[role])
    side = side or muscles.find_side(muscles.channels, measured.columns)
    found = {role: _columns_by_channel(frame, muscles, side) for role, frame in frames.items()}
    common = channels_in_common(measured, estimate, muscles, side)
    for key in common:
        if baseline is not None and key not in found["baseline"]:
            raise InputError(f"{names['baseline']}: has no '{key}', which the estimate has")
    low, high = common_time_range(
        {names[role]: frame for role, frame in frames.items()}, start, end
    )
    times = time_grid(low, high)
    if len(times) < FEWEST_ROWS:
        raise InputError(f"{high - low:.3g} s in common are too few to compare")
    # Muscles have the names of the estimate.
    labels = [next(iter(found["estimate"][key])) for key in common]

    def resample_channels(role: str) -> pd.DataFrame:
        channels = combine(resample(frames[role], times), {k: found[role][k] for k in common})
        return channels.set_axis(labels, axis="columns")

    paired = {column for key in common for column in found["measured"][key]}
    compared = resample_channels("measured")
    return Agreement(
        start=float(times[0]),
        end=float(times[-1]),
        estimate=metrics.score_table(compared, resample_channels("estimate"), RATE),
        baseline=None
        if baseline is None
        else metrics.score_table(compared, resample_channels("baseline"), RATE),
        unscored=[str(c) for c in measured.columns if c not in paired],
        measured=compared,
    )


def channels_in_common(
    measured: pd.DataFrame, estimate: pd.DataFrame, muscles: MuscleMap, side: str
) -> list[str]:
    """The channels that both have; `InputError` if there are none."""
    available = _columns_by_channel(estimate, muscles, side)
    common = [key for key in _columns_by_channel(measured, muscles, side) if key in available]
    if not common:
        name = f"measured {measured.attrs.get('path', '')}".strip()
        first = next(iter(measured.columns), "")
        raise InputError(
            f"{name}: has none of the muscles that are estimated; for '{first}'"
            f" {suggest_name(first, estimate.columns)}; pair them in a map with --muscles"
        )
    return common


def _columns_by_channel(
    frame: pd.DataFrame, muscles: MuscleMap, side: str
) -> dict[str, dict[str, float]]:
    """Weighted columns by channel, and by their own name the columns that no channel uses."""
    found = muscles.columns(frame.columns, side)
    used = {column for weights in found.values() for column in weights}
    return found | {str(c): {str(c): 1.0} for c in frame.columns if c not in used}


# Former name, kept for one version.
agreement = score_agreement
