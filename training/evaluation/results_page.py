"""The page of an evaluation: a table for each protocol, then every muscle."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.refiner import Card

from ..experiment import Experiment
from .methods import METHODS
from .results import MEASURED, REFINED
from .shipped_scores import shipped_refiners
from .statistics import ALPHA, MINIMUM_PEOPLE, Interval

PROTOCOLS = {
    "block": "Later time of the same recording",
    "speed": "Another speed, another person",
    "task": "Another task of the same person",
    "subject": "Another person",
    "virtual": "Another person, taught by virtual people alone",
}

Row = dict[str, float]


@dataclass(frozen=True)
class Section:
    """A section of `results.json`.

    Args:
        found: as `training.evaluation.results.Result.as_json` made it.
        nine: a row a method, over all that was measured.
        five: over those of the default five that were.
        muscles: a row a method and muscle.
        p: a row a method and a column a muscle, RMSE against raw; empty where people are few.
    """

    found: Mapping[str, Any]
    nine: pd.DataFrame
    five: pd.DataFrame
    muscles: pd.DataFrame
    p: pd.DataFrame

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Section":
        """Tables of what was found."""
        methods = found["methods"]

        def table(rows: Mapping[Any, Any]) -> pd.DataFrame:
            return pd.DataFrame(rows, dtype=float).T

        every = {
            (m, muscle): row for m, of in methods.items() for muscle, row in of["muscles"].items()
        }
        tested = {m: of["wilcoxon_p"] for m, of in methods.items() if of["wilcoxon_p"]}
        nine, five = (
            table({m: of[which] for m, of in methods.items()}) for which in ("nine", "five")
        )
        return cls(found, nine, five, table(every), table(tested))

    @property
    def methods(self) -> list[str]:
        """What was scored."""
        return list(self.found["methods"])

    @property
    def names(self) -> list[str]:
        """Of the muscles."""
        return list(self.found["methods"]["raw"]["muscles"])

    def parameters(self, method: str) -> str:
        """How many weights a method has, or nothing."""
        return _count(self.found["methods"][method]["parameters"])


def page(found: Mapping[str, Any], experiment: Experiment, cards: Mapping[str, Card]) -> str:
    """The page, as Markdown.

    Args:
        found: of `training.evaluation.results.as_json`.
        experiment: how networks were fitted.
        cards: of the shipped refiners, by name.
    """
    ablations, ran = found["ablations"], found["protocols"]
    protocols = {
        name: [Section.of(section) for section in ran[name]["sections"]]
        for name in PROTOCOLS
        if name in ran
    }
    commands = [ran[name]["command"] for name in protocols]
    commands += [ablations["command"]] if ablations else []
    parts = [_INTRODUCTION.format(command="\n".join(dict.fromkeys(commands)),
                                  steps=experiment.epochs * experiment.steps,
                                  batch=experiment.batch, window=experiment.window,
                                  few=MINIMUM_PEOPLE, alpha=ALPHA)]  # fmt: skip
    parts += shipped_refiners(cards)
    for protocol, sections in protocols.items():
        parts += [f"## {PROTOCOLS[protocol]} (`{protocol}`)", _DATE.format(ran[protocol]["date"])]
        if protocol == "subject":
            parts.append(_leaving_out(sections, ran[protocol]["groups"]))
        parts += [_glance(sections), *_pictures(protocol, ran[protocol])]
    if ablations:
        parts += ["## What each part is worth", _DATE.format(ablations["date"])]
        parts += [_ABLATION, _ablations(ablations["rows"])]
    for protocol, sections in protocols.items():
        for section in sections:
            parts += _section(protocol, section)
    return "\n\n".join(parts) + "\n"


def _leaving_out(sections: Sequence[Section], groups: int) -> str:
    people = max(section.found["people"] for section in sections)
    if groups >= people:
        how = "each virtual person alone is left out of the fit that is tested on them"
    else:
        how = f"the virtual people are in {groups} groups, each left out of the fit tested on it"
    return f"{how[0].upper()}{how[1:]}. Nobody is tested by a network that has seen them."


def _glance(sections: Sequence[Section]) -> str:
    """RMSE as a share of raw's, and muscles that are better, for each method and section."""
    header = ["method", "parameters"]
    for section in sections:
        n = section.found["people"]
        who = f"{n} {'person' if n == 1 else 'people'}"
        header.append(f"{section.found['title']}: {section.found['data']}, {who}")
    rows = []
    for method in sections[0].methods:
        row = [METHODS[method], sections[0].parameters(method)]
        for section in sections:
            nine, five = _row(section.nine, method), _row(section.five, method)
            row.append(
                f"{nine['to_raw']:.2f}"
                if method == "raw"
                else f"{nine['to_raw']:.2f}, {nine['better']:.0f} of {nine['of']:.0f},"
                f" {five['better']:.0f} of {five['of']:.0f}"
            )
        rows.append(row)
    return _table(header, rows)


def _section(protocol: str, section: Section) -> list[str]:
    found = section.found
    unit = "the measured unit" if found["errors"] == MEASURED else "shares of the person's maximum"
    parts = [
        f"## Every muscle: `{protocol}`, {found['title']}, {found['data']}",
        f"{found['people']} tested, {found['seconds']:.0f} s, {found['cycles']} whole gait"
        f" cycles; errors in {unit}.",
    ]
    for which, table in (("All", section.nine), ("Default", section.five)):
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
    for score, name, digits in (("rmse", "RMSE", 3), ("r", "r", 2)):
        header = [name, *(METHODS[method] for method in section.methods)]
        rows = [
            [_words(muscle), *(
                _spread(_row(section.muscles, (method, muscle)), score, digits)
                + (_star(section.p, method, muscle) if score == "rmse" else "")
                for method in section.methods
            )]
            for muscle in section.names
        ]  # fmt: skip
        parts.append(_table(header, rows))
    if REFINED in section.methods:
        parts.append(_raw_and_refined(section))
    return [*parts, *_pictures(found["title"], found)]


def _raw_and_refined(section: Section) -> str:
    """The other scores of raw and STDR-Net, muscle by muscle, and where in the cycle they part."""
    told = {"nrmse": ("NRMSE", 3), "r2": ("R²", 2), "lag_ms": ("lag (ms)", 0)}
    header = [
        "raw → STDR-Net",
        *(name for name, _ in told.values()),
        "smaller error at (% of cycle)",
    ]
    header += ["larger error at"]
    rows = []
    where = section.found["spm"]
    for muscle in section.names:
        raw, refined = (_row(section.muscles, (method, muscle)) for method in ("raw", REFINED))
        scores = [
            f"{_number(raw[score], digits)} → {_number(refined[score], digits)}"
            for score, (_, digits) in told.items()
        ]
        rows.append(
            [_words(muscle), *scores, _intervals(where["smaller"][muscle]),
             _intervals(where["larger"][muscle])]
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


def _pictures(what: str, of: Mapping[str, Any]) -> list[str]:
    return [f"![{what}]({name})" for name in of["figures"]]


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

Every method of a protocol is fitted on the same recordings in the same run. `raw simulation` is
static optimisation as it is; `gain` the best factor of each muscle; `gain and lag` the best delay
within ±300 ms and then factor; `time warping` aligns every simulated cycle with the mean measured
cycle of the training data; `ridge` is a regression on all simulated channels. The four networks are
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

_DATE = "Run on {}."

_ABLATION = """STDR-Net with one setting changed (`training/evaluation/ablations.yaml`), refitted.
One half of the virtual people teaches and the other is tested. Each cell: RMSE, its share of raw's,
r."""
