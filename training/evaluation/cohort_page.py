"""Write docs/cohort.md: are virtual people like a real one?

`python -m training.evaluation.cohort_page` sets the virtual people of one seed beside the
recordings of one real person, and switches every cause on alone to show what it does."""

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from joblib import cpu_count

from nem2e_tf.cli import terminal
from nem2e_tf.cohort import SPEEDS
from nem2e_tf.cohort.causes import read_causes
from nem2e_tf.files import check_folder

from ..places import REPOSITORY, data_folder
from .cohort_appendix import appendix
from .cohort_figure import draw_figure
from .cohort_people import Person, recorded_person, virtual_person
from .cohort_tables import median_effects, tables
from .documents import as_list, as_words, format_number, format_people, markdown_table, write_page

DOCS = REPOSITORY / "docs"

app = terminal.make_app("Compare a cohort of virtual people with real recordings.")


@app.command()
def main(
    subjects: Annotated[int, typer.Option(help="How many virtual people.")] = 20,
    strides: Annotated[int, typer.Option(help="Strides of each task.")] = 30,
    seed: Annotated[int, typer.Option(help="Of the cohort.")] = 1,
    data: Annotated[Path | None, typer.Option(help="Folder of the recordings.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")] = DOCS,
) -> None:
    """Write cohort.md, cohort-<task>.png, and cohort/ with the appendix and the data."""
    check_folder(output)
    real = recorded_person((data or data_folder()) / "ceinms-lower-limb")
    people: list[Person] = []
    context = multiprocessing.get_context("spawn")
    workers = min(cpu_count(), subjects)
    with (
        terminal.progress_bar("virtual people") as progress,
        ProcessPoolExecutor(workers, mp_context=context) as pool,
    ):
        for person in pool.map(partial(virtual_person, seed, strides), range(1, subjects + 1)):
            people.append(person)
            progress(len(people), subjects)
    for task in SPEEDS:
        draw_figure(
            real[task], [p.tasks[task] for p in people], output / f"cohort-{task}.png", task.title()
        )
    found = tables(real, people)
    write_page(
        output / "cohort.md", page(found, len(people), seed, strides), appendix(found), found
    )
    terminal.stdout.print(f"wrote {output / 'cohort.md'}", soft_wrap=True, highlight=False)


def page(found: Mapping[str, pd.DataFrame], people: int, seed: int, strides: int) -> str:
    """The page, as Markdown.

    Args:
        found: of `cohort_tables.tables`.
        people: how many virtual people.
        seed: of the cohort.
        strides: of each task.
    """
    walking, running = (
        (int(of["within"].sum()), int(of["within_80"].sum()), len(of))
        for of in (_of(found["comparison"], task) for task in ("walking", "running"))
    )
    parts = [
        "# Virtual people compared with a real person",
        "![Walking: the real person and the range of the virtual people](cohort-walking.png)",
        f"*Walking: mean gait cycles of the recorded person and of {people} virtual people"
        " (synthetic; median and range).*",
        as_list(_answer(found, people, walking, running)),
        _HOW.format(people=format_people(people), strides=strides, seed=seed),
    ]
    for task in SPEEDS:
        parts += [f"## {task.title()}"]
        parts += [f"![{task}](cohort-{task}.png)"] if task != "walking" else []
        parts += [_comparison(_of(found["comparison"], task))]
    return "\n\n".join([*parts, _MORE]) + "\n"


def _of(table: pd.DataFrame, task: str) -> pd.DataFrame:
    return table[table["task"] == task]


def _answer(
    found: Mapping[str, pd.DataFrame],
    people: int,
    walking: tuple[int, int, int],
    running: tuple[int, int, int],
) -> list[str]:
    """Five sentences that say how like a real person the virtual ones are."""
    share = found["curves"].groupby("task")["share_within"].mean()
    medians = found["comparison"].groupby(["task", "quantity"])[["real", "median"]].median()
    numbers: dict[Any, dict[Any, float]] = medians.to_dict("index")
    between: dict[Any, float] = found["differences"].set_index(["task", "muscle"])["r"].to_dict()
    effects: dict[Any, float] = median_effects(found["causes"])["r"].to_dict()
    worst = min(read_causes(), key=lambda cause: effects[cause, "walking"])

    def raw(task: str, quantity: str, digits: int) -> str:
        row = numbers[task, f"{quantity} of the simulation{' (ms)' * (quantity == 'lag')}"]
        return f"{row['real']:.{digits}f} and {row['median']:.{digits}f}"

    return [
        f"Of {walking[2]} numbers that describe a walking recording, the real person's are within"
        f" the range of {people} virtual people for {walking[0]}, and in running for {running[0]}"
        f" of {running[2]}.",
        f"Within the middle 80 % of the virtual people, where 80 % are expected, are {walking[1]}"
        f" and {running[1]}.",
        "The real person's mean joint angles and moments are within the cohort's range for"
        f" {100 * share['walking']:.0f} % of the gait cycle in walking and"
        f" {100 * share['running']:.0f} % in running.",
        "The raw simulation of the real person and of the median virtual person has an r of"
        f" {raw('walking', 'r', 2)} in walking and {raw('running', 'r', 2)} in running, and comes"
        f" late by {raw('walking', 'lag', 0)} ms and {raw('running', 'lag', 0)} ms.",
        f"The mean cycle of one virtual person's EMG correlates with that of the others by"
        f" {between['walking', 'mean']:.2f} in walking and"
        f" {between['running', 'mean']:.2f} in running; of all causes of difference,"
        f" {as_words(worst)} alone lowers r of the simulation most, to"
        f" {effects[worst, 'walking']:.2f} and {effects[worst, 'running']:.2f}.",
    ]


def _comparison(table: pd.DataFrame) -> str:
    """A row a quantity: the median over muscles, and for how many muscles the person is within."""
    rows = []
    for what, of in table.groupby("quantity", sort=False):
        digits = digits_of(of["real"])
        middle = of[["real", "least", "median", "largest"]].median().to_numpy()
        mine, *shown = (format_number(value, digits) for value in middle)
        rows.append([
            f"{what}{', median of muscles' if len(of) > 1 else ''}", mine, ", ".join(shown),
            f"{of['within'].sum()} of {len(of)}", f"{of['within_80'].sum()} of {len(of)}",
        ])  # fmt: skip
    header = ["quantity", "real person", "cohort: least, median, largest", "within the range",
              "within the middle 80 %"]  # fmt: skip
    return markdown_table(header, rows)


def digits_of(values: pd.Series) -> int:
    """Decimal places that suit the largest of some values."""
    largest = float(values.abs().max())
    return 3 if largest < 0.25 else 2 if largest < 5.0 else 1 if largest < 30.0 else 0


_HOW = """## What is compared

This page is written by `python -m training.evaluation.cohort_page`. Everything virtual is
synthetic.

`nem2e cohort` makes people whose bodies, gait and muscles are known completely. Their motion and
joint moments come from published tables (`nem2e_tf/cohort/walking.csv`, `running.yaml`). Their EMG
comes from a chain of causes (`causes.yaml`): true muscles that differ from the model's, another
effort criterion, co-contraction, activation dynamics, electromechanical delay, and the effects of
electrodes. Here are {people} of seed {seed} with {strides} strides a task, at their own speeds.
The real person is the one of the ceinms-lower-limb recordings, who walks at 4.5 km/h (`walk45`)
and runs at 8.1 km/h (`run81`).

A gait cycle runs from one largest knee flexion to the next. `lag`, `r` and `RMSE` are those of the
raw simulation against the EMG; `variation` is between strides at equal phase. For quantities of
nine muscles the tables give the median over muscles, and count the muscles for which the real
person lies within the range of the cohort and between its 10th and 90th percentile.

There are two limitations.

- The comparison is with one person, whose data were also used to choose the ranges of
  co-contraction, delay, unsteadiness and stride variability ("chosen" in `causes.yaml`) within the
  limits of their sources. The widths of measurement, co-contraction and delay were chosen by how
  much people differ.
- The joint moments of `run81` are not all real: the right force plate reads some 230 N while the
  right leg swings. Moments in swing, and their simulation, are an error of that recording."""

_MORE = """## Appendix and data

[The appendix](cohort/appendix.md) lists the numbers that are out of range, the differences between
people muscle by muscle beside published ones, the effect of each cause, and the ranges of all
parameters. The data are tables of comma-separated values: [comparison.csv](cohort/comparison.csv)
(range of the cohort), [people.csv](cohort/people.csv) (every person; 0 is the real one),
[curves.csv](cohort/curves.csv) (angles and moments), [differences.csv](cohort/differences.csv)
(between people) and [causes.csv](cohort/causes.csv)."""


if __name__ == "__main__":
    terminal.run(app)
