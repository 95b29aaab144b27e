"""The appendix of an evaluation: how methods were fitted and scored, and every muscle."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.refiner import Card

from ..experiment import Experiment
from .documents import as_words, format_number, markdown_table
from .methods import METHODS
from .results import MEASURED, REFINED
from .results_tables import HEADINGS, Row, SectionTables, row_of, sections_of
from .statistics import ALPHA, MINIMUM_PEOPLE, Interval


def appendix(
    found: Mapping[str, Any], experiment: Experiment, cards: Mapping[str, Card], name: str
) -> str:
    """The appendix, as Markdown.

    Args:
        found: of `training.evaluation.results.results_as_json`.
        experiment: how networks were fitted.
        cards: of the shipped refiners, by name.
        name: of the page, whose figures are in the folder above.
    """
    parts = [
        "# Appendix: every muscle",
        _INTRODUCTION.format(
            name=name, steps=experiment.epochs * experiment.steps, batch=experiment.batch,
            window=experiment.window, few=MINIMUM_PEOPLE, alpha=ALPHA,
        ),
        "## The shipped refiners",
        _SHIPPED,
        _shipped_muscles(cards),
    ]  # fmt: skip
    for protocol, sections in sections_of(found).items():
        parts.append(f"## {HEADINGS[protocol]} (`{protocol}`)")
        parts += _pictures(HEADINGS[protocol], found["protocols"][protocol])
        for section in sections:
            parts += _section(section)
    return "\n\n".join(parts) + "\n"


def _shipped_muscles(cards: Mapping[str, Card]) -> str:
    """A row a refiner, test and muscle."""
    rows = []
    for name, card in cards.items():
        for test, found in card.scores.items():
            for task, of in found["tasks"].items():
                for muscle, row in of["muscles"].items():
                    low, high = row["r_90"] or (None, None)
                    rows.append([
                        f"`{name}`", f"{test}, {task}", as_words(muscle),
                        f"{row['raw_rmse']:.3f} → {row['rmse']:.3f}",
                        f"{format_number(row['raw_r'], 2)} → {format_number(row['r'], 2)}",
                        "–" if low is None else f"{low:.2f} to {high:.2f}",
                        f"{row['lag_ms']:.0f}",
                        f"{100 * row['coverage']:.0f} %" if "coverage" in row else "–",
                    ])  # fmt: skip
    header = ["refiner", "tested on", "muscle", "RMSE", "r", "r, 90 %", "lag (ms)",
              "interval holds"]  # fmt: skip
    return markdown_table(header, rows, left=3)


def _section(section: SectionTables) -> list[str]:
    found = section.found
    unit = "the measured unit" if found["errors"] == MEASURED else "shares of the person's maximum"
    parts = [
        f"### {section.title}, {section.data} (`{section.protocol}`)",
        f"{section.people} tested, {found['seconds']:.0f} s, {found['cycles']} whole gait"
        f" cycles; errors in {unit}.",
        _all_scores(section),
    ]
    for score, name, digits in (("rmse", "RMSE", 3), ("r", "r", 2)):
        header = [name, *(METHODS[method] for method in section.methods)]
        rows = [
            [as_words(muscle), *(
                _with_spread(row_of(section.muscles, (method, muscle)), score, digits)
                + (_star(section.p, method, muscle) if score == "rmse" else "")
                for method in section.methods
            )]
            for muscle in section.names
        ]  # fmt: skip
        parts.append(markdown_table(header, rows))
    if REFINED in section.methods:
        parts.append(_raw_and_refined(section))
    return [*parts, *_pictures(section.title, found)]


def _all_scores(section: SectionTables) -> str:
    """A row a method: all scores, means over all muscles."""
    rows = []
    for method in section.methods:
        row = row_of(section.nine, method)
        rows.append([
            METHODS[method], _with_spread(row, "rmse", 3), format_number(row["to_raw"], 2),
            format_number(row["to_ridge"], 2), _with_spread(row, "nrmse", 3),
            _with_spread(row, "r", 2), _with_spread(row, "r2", 2), _with_spread(row, "lag_ms", 0),
            _of_cycles(row, "rmse", 3), _of_cycles(row, "r", 2),
            f"{row['better']:.0f} of {row['of']:.0f}",
        ])  # fmt: skip
    count = int(section.nine["of"].iloc[0])
    header = [f"All {count} muscles", "RMSE", "/ raw", "/ ridge", "NRMSE", "r", "R²", "lag (ms)",
              "RMSE of a cycle", "r of a cycle", "better than raw"]  # fmt: skip
    return markdown_table(header, rows)


def _raw_and_refined(section: SectionTables) -> str:
    """The other scores of raw and STDR-Net, by muscle, and where in the cycle they differ."""
    others = {"nrmse": ("NRMSE", 3), "r2": ("R²", 2), "lag_ms": ("lag (ms)", 0)}
    where = section.found["spm"]
    rows = []
    for muscle in section.names:
        raw, refined = (row_of(section.muscles, (method, muscle)) for method in ("raw", REFINED))
        scores = [
            f"{format_number(raw[score], digits)} → {format_number(refined[score], digits)}"
            for score, (_, digits) in others.items()
        ]
        intervals = (_intervals(where[which][muscle]) for which in ("smaller", "larger"))
        rows.append([as_words(muscle), *scores, *intervals])
    header = ["raw → STDR-Net", *(name for name, _ in others.values()),
              "smaller error at (% of cycle)", "larger error at"]  # fmt: skip
    return markdown_table(header, rows)


def _pictures(what: str, of: Mapping[str, Any]) -> list[str]:
    return [f"![{what}](../{figure})" for figure in of["figures"]]


def _with_spread(row: Row, score: str, digits: int) -> str:
    """Mean ± standard deviation over people, where there are several."""
    spread = row[f"{score}_sd"]
    more = f" ± {spread:.{digits}f}" if np.isfinite(spread) else ""
    return format_number(row[score], digits) + more


def _of_cycles(row: Row, score: str, digits: int) -> str:
    """Mean ± standard deviation over a person's gait cycles."""
    if not np.isfinite(row.get(f"cycle_{score}", np.nan)):
        return "–"
    return f"{row[f'cycle_{score}']:.{digits}f} ± {row[f'cycle_{score}_sd']:.{digits}f}"


def _star(p: pd.DataFrame, method: str, muscle: str) -> str:
    return " *" if method in p.index and row_of(p, method)[muscle] < ALPHA else ""


def _intervals(found: Sequence[Interval]) -> str:
    return ", ".join(f"{first:.0f}–{last:.0f}" for first, last in found) or "–"


_INTRODUCTION = """Written by `python -m training.evaluate` with [the results](../{name}.md).

**Methods.** `raw simulation` is static optimisation as it is; `gain` multiplies each muscle by the
best factor; `gain and lag` first shifts it by the best delay within ±300 ms; `time warping` aligns
every simulated cycle with the mean measured cycle of the training data; `ridge` is a regression on
all simulated channels from 150 ms before to 150 ms after a frame. The networks are fitted alike:
{steps} steps of {batch} windows of {window:g} s, with the loss, learning rate and augmentation
that were chosen for STDR-Net. `encoder only` is STDR-Net without attention and decoder. The
temporal convolution and the transformer are fitted in `block` only.

**Scores.** ± is the standard deviation over people; `of a cycle` is the mean over gait cycles ±
their standard deviation; NRMSE is RMSE over the range of the measured envelope; lag is positive
where the estimate comes late. EMG amplitudes cannot be compared between people, tasks and speeds.
Except in `block`, every channel is therefore measured in shares of its own maximum over the trial.
The estimates of fitted methods are in such shares already; the raw simulation is divided by its
own maximum.

**Statistics.** * marks p < {alpha:g} in Wilcoxon's signed-rank test of RMSE against the raw
simulation over people, corrected by Holm over muscles (at least {few} people). A gait cycle begins
at the largest knee flexion, in swing. Intervals of the cycle are those in which the absolute error
of STDR-Net differs from that of the raw simulation (statistical parametric mapping, paired t over
people, {alpha:g} divided by the number of muscles)."""

_SHIPPED = """`r, 90 %` is a bootstrap interval of the mean r over gait cycles (one person) or
people. r itself is of whole recordings; within a cycle it is mostly higher."""
