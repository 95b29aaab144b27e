"""The page of an evaluation: a table for each protocol, then every muscle."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.refiner import Card
from training.experiment import Experiment
from training.methods import METHODS
from training.results import REFINED, Result
from training.scoring import by_muscle
from training.shipped import shipped_refiners
from training.statistics import ALPHA, FEWEST, Interval

PROTOCOLS = {
    "block": "Later time of the same recording",
    "speed": "Another speed, another person",
    "task": "Another task of the same person",
    "subject": "Another person",
}

Row = dict[str, float]


def page(
    command: str,
    experiment: Experiment,
    groups: int,
    results: Sequence[Result],
    figures: Sequence[tuple[str, Path]],
    ablations: Mapping[str, Mapping[str, Any]],
    cards: Mapping[str, Card],
) -> str:
    """The page, as Markdown.

    Args:
        command: the command line.
        experiment: how networks were fitted.
        groups: of people in protocol `subject`.
        results: one a section.
        figures: by protocol or section, of `training.results_figures.draw`.
        ablations: by name, of `training.results.ablation_result`.
        cards: of the shipped refiners, by name.
    """
    parts = [_INTRODUCTION.format(command=command, steps=experiment.epochs * experiment.steps,
                                  batch=experiment.batch, window=experiment.window, few=FEWEST,
                                  alpha=ALPHA)]  # fmt: skip
    parts += shipped_refiners(cards)
    protocols = [name for name in PROTOCOLS if any(r.section.protocol == name for r in results)]
    for protocol in protocols:
        own = [result for result in results if result.section.protocol == protocol]
        parts.append(f"## {PROTOCOLS[protocol]} (`{protocol}`)")
        if protocol == "subject":
            parts.append(_leaving_out(own, groups))
        parts += [_glance(own), *_pictures(figures, protocol)]
    if ablations:
        parts += ["## What each part is worth", _ABLATION, _ablations(ablations)]
    for protocol in protocols:
        for result in results:
            if result.section.protocol == protocol:
                parts += _section(result, figures)
    return "\n\n".join(parts) + "\n"


def _leaving_out(results: Sequence[Result], groups: int) -> str:
    people = max(len(result.section.subjects) for result in results)
    if groups >= people:
        how = "each virtual person alone is left out of the fit that is tested on them"
    else:
        how = f"the virtual people are in {groups} groups, each left out of the fit tested on it"
    return f"{how[0].upper()}{how[1:]}. Nobody is tested by a network that has seen them."


def _glance(results: Sequence[Result]) -> str:
    """RMSE as a share of raw's, and muscles that are better, for each method and section."""
    header = ["method", "parameters"]
    for result in results:
        section = result.section
        n = len(section.subjects)
        who = f"{n} {'person' if n == 1 else 'people'}"
        header.append(f"{section.title}: {section.data}, {who}")
    rows = []
    for method in results[0].section.methods:
        row = [METHODS[method], _count(results[0].section.parameters[method])]
        for result in results:
            nine, five = _row(result.nine, method), _row(result.five, method)
            row.append(
                f"{nine['to_raw']:.2f}"
                if method == "raw"
                else f"{nine['to_raw']:.2f}, {nine['better']:.0f} of {nine['of']:.0f},"
                f" {five['better']:.0f} of {five['of']:.0f}"
            )
        rows.append(row)
    return _table(header, rows)


def _section(result: Result, figures: Sequence[tuple[str, Path]]) -> list[str]:
    section = result.section
    unit = "the measured unit" if section.measured_unit else "shares of the person's maximum"
    parts = [
        f"## Every muscle: `{section.protocol}`, {section.title}, {section.data}",
        f"{len(section.subjects)} tested, {section.seconds:.0f} s, {section.cycles} whole gait"
        f" cycles; errors in {unit}.",
    ]
    for which, table in (("All", result.nine), ("Default", result.five)):
        rows = []
        for method in section.methods:
            row = _row(table, method)
            rows.append(
                [
                    METHODS[method],
                    _spread(row, "rmse", 3), _number(row["to_raw"], 2), _number(row["to_ridge"], 2),
                    _spread(row, "nrmse", 3), _spread(row, "r", 2), _spread(row, "r2", 2),
                    _spread(row, "lag_ms", 0), _cycle(row, "rmse", 3), _cycle(row, "r", 2),
                    f"{row['better']:.0f} of {row['of']:.0f}",
                ]
            )  # fmt: skip
        count = int(table["of"].iloc[0])
        header = [f"{which} {count} muscles", "RMSE", "/ raw", "/ ridge", "NRMSE", "r", "R²",
                  "lag (ms)", "RMSE of a cycle", "r of a cycle", "better than raw"]  # fmt: skip
        parts.append(_table(header, rows))
    muscles = by_muscle(result.table)
    for score, name, digits in (("rmse", "RMSE", 3), ("r", "r", 2)):
        header = [name, *(METHODS[method] for method in section.methods)]
        rows = [
            [_words(muscle), *(
                _spread(_row(muscles, (method, muscle)), score, digits)
                + (_star(result.p, method, muscle) if score == "rmse" else "")
                for method in section.methods
            )]
            for muscle in section.muscles
        ]  # fmt: skip
        parts.append(_table(header, rows))
    if REFINED in section.methods:
        parts.append(_raw_and_refined(result, muscles))
    return [*parts, *_pictures(figures, section.title)]


def _raw_and_refined(result: Result, muscles: pd.DataFrame) -> str:
    """The other scores of raw and STDR-Net, muscle by muscle, and where in the cycle they part."""
    told = {"nrmse": ("NRMSE", 3), "r2": ("R²", 2), "lag_ms": ("lag (ms)", 0)}
    header = [
        "raw → STDR-Net",
        *(name for name, _ in told.values()),
        "smaller error at (% of cycle)",
    ]
    header += ["larger error at"]
    rows = []
    for muscle in result.section.muscles:
        raw, refined = (_row(muscles, (method, muscle)) for method in ("raw", REFINED))
        scores = [
            f"{_number(raw[score], digits)} → {_number(refined[score], digits)}"
            for score, (_, digits) in told.items()
        ]
        rows.append(
            [_words(muscle), *scores, _intervals(result.smaller[muscle]),
             _intervals(result.larger[muscle])]
        )  # fmt: skip
    return _table(header, rows)


def _ablations(ablations: Mapping[str, Mapping[str, Any]]) -> str:
    sections = list(next(iter(ablations.values())))
    data = next(iter(ablations.values()))
    rows = [
        [name, _count(found[sections[0]]["parameters"]), *(
            f"{found[s]['rmse']:.4f}, {found[s]['to_raw']:.3f}, {found[s]['r']:.3f}"
            for s in sections
        )]
        for name, found in ablations.items()
    ]  # fmt: skip
    return _table(["", "parameters", *(f"{s}: {data[s]['data']}" for s in sections)], rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---", *(["---:"] * (len(header) - 1))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _pictures(figures: Sequence[tuple[str, Path]], of: str) -> list[str]:
    return [f"![{what}]({path.name})" for what, path in figures if what == of]


def _row(table: pd.DataFrame, key: str | tuple[str, str]) -> Row:
    values = table.loc[[key]].to_numpy(dtype=float)[0]
    return {str(name): float(value) for name, value in zip(table.columns, values, strict=True)}


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "–"


def _spread(row: Row, score: str, digits: int) -> str:
    """Mean ± standard deviation over people, where there are several."""
    spread = row[f"{score}_sd"]
    more = f" ± {spread:.{digits}f}" if np.isfinite(spread) else ""
    return _number(row[score], digits) + more


def _cycle(row: Row, score: str, digits: int) -> str:
    """Mean ± standard deviation over a person's gait cycles."""
    if f"cycle_{score}" not in row or not np.isfinite(row[f"cycle_{score}"]):
        return "–"
    return f"{row[f'cycle_{score}']:.{digits}f} ± {row[f'cycle_{score}_sd']:.{digits}f}"


def _star(p: pd.DataFrame, method: str, muscle: str) -> str:
    return " *" if method in p.index and _row(p, method)[muscle] < ALPHA else ""


def _intervals(found: Sequence[Interval]) -> str:
    return ", ".join(f"{first:.0f}–{last:.0f}" for first, last in found) or "–"


def _count(parameters: int | None) -> str:
    return f"{parameters:,}" if parameters is not None else ""


def _words(name: str) -> str:
    return name.replace("_", " ")


_INTRODUCTION = """# Results

Written by

<!-- not run: takes hours, and writes this page -->
```bash
{command}
```

and by nothing else. `results.json` beside it holds every figure.

Every method is fitted on the same recordings in the same run. `raw simulation` is static
optimisation as it is; `gain` the best factor of each muscle; `gain and lag` the best delay within
±300 ms and then factor; `time warping` aligns every simulated cycle with the mean measured cycle
of the training data; `ridge` is a regression on all simulated channels. The four networks are
fitted alike, the convolution and the transformer in `block` alone: {steps} steps of {batch} windows
of {window:g} s, with the loss, the learning rate and the augmentation that were chosen for
STDR-Net. `encoder only` is STDR-Net without attention and decoder.

Real recordings and virtual people never share a column. In `block` errors are in the measured
unit. EMG amplitudes are not comparable between people, tasks and speeds: elsewhere every channel is
measured in shares of its own maximum over the trial. What a method estimates is already in such
shares, for it was fitted to them; the raw simulation, which was not, is divided by its own maximum.

In the tables of a protocol each cell has the RMSE as a share of raw's, mean of all muscles, and how
many of all measured and of the default five muscles are better than raw. In those of every muscle,
± is the standard deviation over people; `of a cycle` is the mean over gait cycles ± their standard
deviation; NRMSE is by the range of the measured envelope; lag is positive where the estimate comes
late. * marks p < {alpha:g} in Wilcoxon's signed-rank test against raw over people, corrected by
Holm over muscles (at least {few} people). A gait cycle begins at the largest knee flexion, in
swing; its intervals are those in which STDR-Net's absolute error differs from raw's (SPM, paired t
over people, {alpha:g} divided by the number of muscles)."""

_ABLATION = """STDR-Net with one thing changed (`training/ablations.yaml`), refitted. Of the virtual
people one half teaches and the other is tested. Each cell: RMSE, its share of raw's, r."""
