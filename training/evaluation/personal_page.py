"""The page docs/personalisation.md: how much measured cycles of a person improve a refiner."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from nem2e_tf.errors import InputError
from nem2e_tf.files import replace_file
from nem2e_tf.report import palette

from .documents import as_list, format_people, markdown_table, write_page

UNSEEN = 0.6
"""Share of a recording after which nothing is learnt and everything is scored."""
METHODS = {"refiner": "STDR-Net", "gain_and_lag": "gain and lag", "ridge": "ridge"}
RECORDED, VIRTUAL = "Recorded person", "Virtual people (synthetic)"
_STYLES = {
    "refiner": (palette.REFINED, "o-"),
    "gain_and_lag": (palette.SIMULATED, "o-"),
    "ridge": (palette.SIMULATED, "s--"),
}


def read_tables(path: Path) -> dict[str, pd.DataFrame]:
    """What `write_curves` kept, by name of the people.

    Raises:
        InputError: there is no such file, or it is another one.
    """
    try:
        found = json.loads(path.read_bytes())
        tables = {name: pd.DataFrame(rows) for name, rows in found.items()}
        for table in tables.values():
            table[["subject", "task", "cycles", "method", "rmse", "r"]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise InputError(
            f"{path}: not scores of personal_curve; run it without --page-only"
        ) from None
    return tables


def write_curves(tables: Mapping[str, pd.DataFrame], output: Path) -> None:
    """Write the numbers, the figure, the page and its data.

    Args:
        tables: by name of the people, as `personal_curve.curve` gives them.
        output: path without ending. `.json`, `.md`, `.png` and a folder of that name.
    """
    draw(tables, output.with_suffix(".png"))
    found = {name: table.to_dict("records") for name, table in tables.items()}
    with replace_file(output.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")
    people = [table.assign(people=name) for name, table in tables.items()]
    columns = ["people", "subject", "task", "cycles", "method", "rmse", "r"]
    write_page(
        output.with_suffix(".md"),
        page(tables, output.name),
        None,
        {"scores": pd.concat(people)[columns].round(6)},
    )


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over people, by task, cycles and method.

    Args:
        table: as `personal_curve.curve` gives it.
    """
    return table.groupby(["task", "cycles", "method"])[["rmse", "r"]].agg(["mean", "std", "count"])


def draw(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Draw r against the number of cycles: a row a task, a column a group of people.

    Bands are a standard deviation over people.

    Args:
        tables: by name of the people, as `personal_curve.curve` gives them.
        path: path. A .png, .pdf or .svg to write.
    """
    tasks = list(dict.fromkeys(task for table in tables.values() for task in table["task"]))
    figure = Figure(figsize=(9.0, 3.0 * len(tasks)), layout="constrained")
    grid = figure.subplots(len(tasks), len(tables), squeeze=False, sharey=True)
    for task, row in zip(tasks, grid, strict=True):
        for axes, (name, table) in zip(row, tables.items(), strict=True):
            of_task = table[table["task"] == task]
            before = of_task.loc[of_task["cycles"] == 0, "r"].mean()
            axes.axhline(before, color=palette.REFINED, ls=":", label="STDR-Net, not adapted")
            for method, label in METHODS.items():
                colour, style = _STYLES[method]
                some = of_task[(of_task["method"] == method) & (of_task["cycles"] > 0)]
                by = some.groupby("cycles")["r"]
                mean, spread = by.mean(), by.std().fillna(0.0)
                axes.plot(mean.index, mean, style, color=colour, label=label)
                axes.fill_between(
                    mean.index, mean - spread, mean + spread, color=colour, alpha=0.15
                )
            axes.set_xscale("log")
            axes.set_xticks(sorted(set(table["cycles"]) - {0}), minor=False)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
            axes.set_title(f"{task}: {name}", fontsize=10)
            axes.set_xlabel("measured cycles")
            axes.set_ylabel("mean r")
    grid[0][-1].legend(fontsize=8, loc="lower right")
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=80, pil_kwargs={"optimize": True})


def page(tables: Mapping[str, pd.DataFrame], name: str) -> str:
    """The page, as Markdown.

    Args:
        tables: by name of the people, as `personal_curve.curve` gives them.
        name: of the page, its figure and its folder.
    """
    parts = [
        "# Personalisation",
        f"![Mean r by the number of measured cycles]({name}.png)",
        "*Mean r over nine muscles after a refiner was adapted to a person by that many measured"
        " gait cycles.*",
        as_list(_answer(tables)),
        _HOW,
    ]
    for people, table in tables.items():
        number = format_people(table["subject"].nunique())
        parts += [f"## {people}, {number}", _table(table)]
    return "\n\n".join([*parts, _MORE.format(name=name)]) + "\n"


def _answer(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Sentences that say how much measured cycles are worth, as far as there are numbers."""
    means: dict[Any, dict[Any, float]] = {}
    for name, table in tables.items():
        mean = table.groupby(["task", "cycles", "method"])[["rmse", "r"]].mean()
        rows: dict[Any, dict[Any, float]] = mean.to_dict("index")
        means |= {(name, *key): row for key, row in rows.items()}
    counts = sorted({cycles for _, _, cycles, method in means if method == "refiner"} - {0})
    if not counts:
        return []
    few, many = counts[0], counts[-1]
    tasks = list(dict.fromkeys(task for table in tables.values() for task in table["task"]))

    def r(name: str, cycles: int, method: str = "refiner") -> str:
        both = [means.get((name, task, cycles, method)) for task in tasks]
        return " and ".join(f"{row['r']:.2f}" for row in both if row is not None)

    sentences = [
        f"{what}, r rises from {r(name, 0)} without measured cycles to {r(name, few)} with {few}"
        f" cycle and to {r(name, many)} with {many} cycles"
        f" ({' and '.join(tasks)})."
        for name, what in ((RECORDED, "For the recorded person"),
                           (VIRTUAL, "For virtual people (synthetic)"))
        if name in tables
    ]  # fmt: skip
    for name, what in ((RECORDED, "the recorded person"), (VIRTUAL, "virtual people")):
        if name in tables:
            sentences.append(
                f"For {what}, a ridge regression that is fitted on nothing but the measured cycles"
                f" reaches {r(name, few, 'ridge')} with {few} cycle and"
                f" {r(name, many, 'ridge')} with {many} cycles."
            )
    sentences.append(
        f"A correction of the gain and the lag of each muscle alone reaches, with {many} cycles, "
        + " and ".join(
            f"{r(name, many, 'gain_and_lag')} ({of})"
            for name, of in ((RECORDED, "recorded person"), (VIRTUAL, "virtual people"))
            if name in tables
        )
        + "."
    )
    return sentences


def _table(table: pd.DataFrame) -> str:
    """A row a number of cycles, a column a task and method; cells have r and RMSE."""
    found: dict[Any, Any] = summary(table).to_dict("index")
    tasks = list(dict.fromkeys(table["task"]))
    header = ["cycles", *(f"{task}, {label}" for task in tasks for label in METHODS.values())]
    rows = [
        [str(count), *(_cell(found.get((task, count, m))) for task in tasks for m in METHODS)]
        for count in sorted(set(table["cycles"]))
    ]
    return markdown_table(header, rows, left=0)


def _cell(line: Mapping[Any, float] | None) -> str:
    if line is None:
        return ""
    spread = f" ± {line['rmse', 'std']:.3f}" if line["rmse", "count"] > 1 else ""
    return f"{line['r', 'mean']:.2f}, {line['rmse', 'mean']:.3f}{spread}"


_HOW = f"""## What is compared

This page is written by `python -m training.evaluation.personal_curve`.

Refiners that were fitted on virtual people alone are adapted by the first cycles of a recording
(`nem2e personalise`) and scored on the part after {100 * UNSEEN:g} % of it. Each cell of the
tables has r and RMSE, means over the nine muscles, ± the standard deviation over people; RMSE is
in the unit of the person's EMG. The row of 0 cycles is the refiner as it is, whose unit is another
one: compare its r only. `gain and lag` corrects that refiner, muscle by muscle, by the same
cycles. `ridge` is a regression that is fitted on the same cycles alone."""

_MORE = """## Data

[scores.csv]({name}/scores.csv) has the scores of every person. `python -m
training.evaluation.personal_curve --page-only` writes this page again from `{name}.json`."""
