"""The scores on a refiner's card, from recordings that its fit has not seen, and their table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from nem2e_tf.cli import terminal
from nem2e_tf.pipeline import Pair
from nem2e_tf.refiner import Refiner
from nem2e_tf.signals import RATE, metrics

from ..calibration import coverage
from .protocols import REAL, VIRTUAL
from .scoring import DEFAULT_MUSCLES, Method, ScoredRecording

CONFIDENCE = 0.9


def card_scores(
    refiner: Refiner, block: Sequence[Pair], unseen_people: Sequence[Pair], other: Sequence[Pair]
) -> dict[str, Any]:
    """Scores of a refiner and of the raw simulation.

    Args:
        refiner: Refiner with intervals.
        block: later time of the recorded trials that it was fitted on; scored in their unit, where
            the refiner has one.
        unseen_people: virtual people that neither fit nor calibration saw.
        other: recordings of real people of other laboratories. These and the strangers are scored
            in shares of a person's maximum, which refined envelopes already are.

    Returns:
        By name of the test: `data`, `errors`, `seconds`, and of every task by muscle `rmse`, `r`
        and `lag_ms`, with `rmse_90` and `r_90`, bootstrap intervals of their mean over gait cycles
        or people, `raw_rmse`, `raw_r`, and `coverage` of the intervals.
    """
    tests = {
        "later time of the same recordings": (block, REAL, True),
        "virtual people never seen": (unseen_people, VIRTUAL, False),
        "another person in another laboratory": (other, REAL, False),
    }
    shares = set(refiner.card.output_maximum.values()) == {1.0}
    return {
        name: _test_scores(refiner, pairs, data, has_measured_unit and not shares)
        for name, (pairs, data, has_measured_unit) in tests.items()
        if pairs
    }


def _test_scores(
    refiner: Refiner, pairs: Sequence[Pair], data: str, has_measured_unit: bool
) -> dict[str, Any]:
    methods = {
        "raw": Method(lambda pair: pair.simulated),
        "refined": Method(lambda pair: refine_pair(refiner, pair), refiner.card.output_maximum),
    }
    tasks = {}
    for task in sorted({pair.task for pair in pairs}):
        own = [pair for pair in pairs if pair.task == task]
        tested = [ScoredRecording.from_pair(pair, methods, has_measured_unit) for pair in own]
        tasks[task] = _task_scores(tested, _interval_coverage(refiner, own))
    return {
        "data": data,
        "errors": "measured unit" if has_measured_unit else "share of a person's maximum",
        "people": len({pair.subject for pair in pairs}),
        "seconds": round(sum(len(pair.measured) for pair in pairs) / RATE, 1),
        "tasks": tasks,
    }


def refine_pair(refiner: Refiner, pair: Pair) -> pd.DataFrame:
    """Refine the simulated activity of a pair; the columns are the refiner's outputs."""
    found = refiner.refine(pair.simulated)
    return found.set_axis(pair.simulated.index).set_axis(refiner.card.outputs, axis=1)


def _interval_coverage(refiner: Refiner, pairs: Sequence[Pair]) -> "pd.Series[float]":
    if set(pairs[0].measured.columns) != set(refiner.card.outputs):
        return pd.Series(dtype=float)
    return coverage(refiner, pairs).mean(axis=1)


def _task_scores(tested: Sequence[ScoredRecording], covered: "pd.Series[float]") -> dict[str, Any]:
    whole = {
        method: pd.concat(
            [metrics.score_table(t.measured, t.estimates[method], RATE) for t in tested]
        )
        .groupby(level=0, sort=False)
        .mean()
        for method in ("raw", "refined")
    }
    units = _unit_tables(tested)
    muscles: dict[str, dict[str, Any]] = {}
    tables = {method: table.to_dict("index") for method, table in whole.items()}
    each = [unit.to_dict("index") for unit in units]
    for name in whole["refined"].index:
        muscle, row, raw = str(name), tables["refined"][name], tables["raw"][name]
        muscles[muscle] = {
            **{score: round(float(row[score]), 4) for score in ("rmse", "r", "lag_ms")},
            **{
                f"{score}_90": _bootstrap_interval([unit[name][score] for unit in each])
                for score in _SHOWN_SCORES
            },
            **{f"raw_{score}": round(float(raw[score]), 4) for score in _SHOWN_SCORES},
        }
        if muscle in covered.index:
            muscles[muscle]["coverage"] = round(float(covered[muscle]), 3)
    plain: dict[str, Any] = terminal.replace_non_finite(
        {
            "muscles": muscles,
            "mean": _mean_scores(muscles, list(muscles)),
            "mean_of_five": _mean_scores(muscles, [m for m in DEFAULT_MUSCLES if m in muscles]),
        }
    )
    return plain


_SHOWN_SCORES = ("rmse", "r")


def _unit_tables(tested: Sequence[ScoredRecording]) -> list[pd.DataFrame]:
    """Tables of each person, or of each gait cycle where there is one person."""
    if len(tested) > 1:
        return [metrics.score_table(t.measured, t.estimates["refined"], RATE) for t in tested]
    (one,) = tested
    time = one.measured.index.to_numpy()
    inside = [
        (time >= first) & (time < last)
        for first, last in zip(one.starts[:-1], one.starts[1:], strict=True)
    ]
    return [
        metrics.score_table(one.measured[part], one.estimates["refined"][part], RATE)
        for part in inside
    ]


def _bootstrap_interval(values: Sequence[float]) -> list[float] | None:
    finite = np.array([v for v in values if np.isfinite(v)])
    if len(finite) < 3:
        return None
    found = bootstrap(
        (finite,), np.mean, confidence_level=CONFIDENCE, method="percentile", rng=0
    ).confidence_interval
    return [round(float(found.low), 4), round(float(found.high), 4)]


def _mean_scores(muscles: Mapping[str, Mapping[str, Any]], chosen: Sequence[str]) -> dict[str, Any]:
    table = pd.DataFrame([muscles[m] for m in chosen])
    names = [n for n in ("rmse", "r", "raw_rmse", "raw_r", "coverage") if n in table]
    return {
        **{name: round(float(table[name].mean()), 4) for name in names},
        "muscles": len(chosen),
        "better_rmse": int((table["rmse"] < table["raw_rmse"]).sum()),
        "better_r": int((table["r"] > table["raw_r"]).sum()),
    }
