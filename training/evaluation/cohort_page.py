"""Is the cohort like people? A page, docs/cohort.md, and its figures.

The virtual people of one seed stand beside the recordings of one real person, and each cause is
switched on alone to show what it does.
"""

import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from joblib import cpu_count

from nem2e_tf.cli import terminal
from nem2e_tf.cohort import ELECTRODES, SPEEDS, sample_subject, select_causes, write_leg
from nem2e_tf.cohort.causes import read_causes
from nem2e_tf.cohort.session import record_session
from nem2e_tf.files import check_folder, read_motion, read_storage, replace_file
from nem2e_tf.signals import RATE, metrics, resample
from nem2e_tf.simulation import load_leg, simulate

from ..experiment import REPOSITORY, data_folder
from .cohort_comparison import (
    CURVES,
    ComparisonMeasures,
    between_people_differences,
    comparison_measures,
    correlation,
)
from .cohort_figure import draw_figure

DOCS = REPOSITORY / "docs"
RECORDINGS = {"walking": "walk45", "running": "run81"}
_START, _END = 1.0, 58.0
_BODY_MASS = 58.0
"""kg of the recorded person: mean vertical ground reaction of `walk45` over gravity."""
_CAUSE_SUBJECTS, _CAUSE_STRIDES = 4, 10


app = terminal.application("Set a cohort of virtual people beside real recordings.")


@dataclass(frozen=True)
class Person:
    """What is shown of one virtual person.

    Args:
        measures: by task.
        effects: by `(task, cause)`, the table of `metrics` of estimate against EMG with that cause
            alone (`none` and `all` too), each scaled to its own largest value.
    """

    measures: dict[str, ComparisonMeasures]
    effects: dict[tuple[str, str], pd.DataFrame]


def recorded(folder: Path) -> dict[str, ComparisonMeasures]:
    """The real person's recordings in numbers, by task."""
    leg = load_leg(folder / "gait2392.osim", "r")
    found = {}
    for task, trial in RECORDINGS.items():
        motion = read_motion(folder / trial / "ik.sto", leg.rotations)
        moments = read_storage(folder / trial / "id.sto")
        simulated = simulate(leg, motion, moments, start=_START, end=_END)
        measured = read_storage(folder / trial / "emgFilt.sto")[list(ELECTRODES)]
        measured = resample(measured, simulated.index.to_numpy())
        found[task] = comparison_measures(motion, moments, _BODY_MASS, simulated, measured)
    return found


def virtual(seed: int, strides: int, number: int) -> Person:
    """One virtual person in numbers."""
    subject = sample_subject(seed, number)
    with tempfile.TemporaryDirectory() as folder:
        leg = write_leg(subject, Path(folder) / "leg.osim")
    tasks = tuple(SPEEDS)
    measures = {}
    for task, trial in record_session(subject, tasks, strides, select_causes(), leg).trials.items():
        did = trial.strides
        simulated = simulate(leg, did.motion, did.moments, start=did.start, end=did.end)
        measured = trial.emg.set_axis(simulated.index)
        measures[task] = comparison_measures(
            did.motion, did.moments, subject.mass, simulated, measured
        )
    effects: dict[tuple[str, str], pd.DataFrame] = {}
    if number <= _CAUSE_SUBJECTS:
        estimates: dict[str, pd.DataFrame] = {}
        for cause in ("none", *read_causes(), "all"):
            only = None if cause == "all" else [] if cause == "none" else [cause]
            done = record_session(subject, tasks, _CAUSE_STRIDES, select_causes(only), leg)
            for task, trial in done.trials.items():
                did = trial.strides
                if task not in estimates:
                    estimates[task] = simulate(
                        leg, did.motion, did.moments, start=did.start, end=did.end
                    )[list(ELECTRODES)]
                effects[task, cause] = metrics.score_table(
                    (trial.emg / trial.emg.max()).set_axis(estimates[task].index),
                    estimates[task] / estimates[task].max(),
                    RATE,
                )
    return Person(measures, effects)


@app.command()
def page(
    subjects: Annotated[int, typer.Option(help="How many virtual people.")] = 20,
    strides: Annotated[int, typer.Option(help="Strides of each task.")] = 30,
    seed: Annotated[int, typer.Option(help="Of the cohort.")] = 1,
    data: Annotated[Path | None, typer.Option(help="Folder of the recordings.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")] = DOCS,
) -> None:
    """Write docs/cohort.md and docs/cohort-<task>.png."""
    check_folder(output)
    real = recorded((data or data_folder()) / "ceinms-lower-limb")
    people: list[Person] = []
    context = multiprocessing.get_context("spawn")
    workers = min(cpu_count(), subjects)
    with (
        terminal.progress_bar("virtual people") as progress,
        ProcessPoolExecutor(workers, mp_context=context) as pool,
    ):
        for person in pool.map(partial(virtual, seed, strides), range(1, subjects + 1)):
            people.append(person)
            progress(len(people), subjects)
    for task in SPEEDS:
        draw_figure(
            real[task],
            [p.measures[task] for p in people],
            output / f"cohort-{task}.png",
            task.title(),
        )
    with replace_file(output / "cohort.md") as temporary:
        temporary.write_text(_page(real, people, seed, strides), encoding="utf-8", newline="\n")
    terminal.screen.print(f"wrote {output / 'cohort.md'}", soft_wrap=True, highlight=False)


def _page(
    real: dict[str, ComparisonMeasures], people: Sequence[Person], seed: int, strides: int
) -> str:
    parts = [_INTRODUCTION.format(people=len(people), strides=strides, seed=seed)]
    for task in SPEEDS:
        parts += [f"## {task.title()}\n", f"![{task}](cohort-{task}.png)\n"]
        parts += [_curves(real[task], [p.measures[task] for p in people])]
        parts += [_numbers(real[task], [p.measures[task] for p in people])]
    published = "\n".join(f"| {' | '.join(row)} |" for row in _PUBLISHED)
    parts += [
        _DIFFERENCES.format(f"| task | between people | source |\n| --- | --- | --- |\n{published}")
    ]
    parts += [_differences(task, real[task], [p.measures[task] for p in people]) for task in SPEEDS]
    parts += [
        "## What each cause does\n",
        _EFFECTS.format(min(_CAUSE_SUBJECTS, len(people)), _CAUSE_STRIDES),
    ]
    parts += [_effects([p for p in people if p.effects]), _RANGES, _ranges()]
    return "\n".join(parts)


def _curves(real: ComparisonMeasures, people: Sequence[ComparisonMeasures]) -> str:
    """A sentence about cycle shapes."""
    every = np.stack([p.curves.to_numpy() for p in people])
    low, high = every.min(axis=0), every.max(axis=0)
    inside = pd.Series(
        ((real.curves >= low) & (real.curves <= high)).mean(axis=0).to_numpy(), index=list(CURVES)
    )
    outside = ", ".join(
        f"{name} ({100 * share:.0f} %)" for name, share in inside.items() if share < 0.9
    )
    return (
        f"Angles and moments: the real person's mean cycle is within the cohort's for"
        f" {100 * inside.mean():.0f} % of the cycle"
        + (f"; for less than nine tenths of it in {outside}.\n" if outside else ".\n")
    )


def _numbers(real: ComparisonMeasures, people: Sequence[ComparisonMeasures]) -> str:
    """A table of what is compared, and a sentence on where the real person is not within."""
    spread = pd.concat([p.numbers for p in people], axis=1)
    low, middle, high = spread.min(axis=1), spread.median(axis=1), spread.max(axis=1)
    within = (real.numbers >= low) & (real.numbers <= high)
    usual = (real.numbers >= spread.quantile(0.1, axis=1)) & (
        real.numbers <= spread.quantile(0.9, axis=1)
    )
    lines = [
        "| | real | cohort: least, median, largest | within | in the middle 80 % |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    outside = []
    for what in dict.fromkeys(what for what, _ in real.numbers.index):
        mine = real.numbers[what]
        largest = float(mine.abs().max())
        digits = 3 if largest < 0.25 else 2 if largest < 5.0 else 1 if largest < 30.0 else 0
        shown = [f"{float(values[what].median()):.{digits}f}" for values in (low, middle, high)]
        lines.append(
            f"| {what}{', median of muscles' if len(mine) > 1 else ''} |"
            f" {float(mine.median()):.{digits}f} | {', '.join(shown)} |"
            f" {int(within[what].sum())} of {len(mine)} |"
            f" {int(usual[what].sum())} of {len(mine)} |"
        )
        outside += [
            f"{what} of {of}: {real.numbers[what, of]:.{digits}f}, cohort"
            f" {low[what, of]:.{digits}f} to {high[what, of]:.{digits}f}"
            if of
            else f"{what}: {real.numbers[what, of]:.{digits}f}"
            for of in mine.index
            if not within[what, of]
        ]
    told = "\n".join(f"- {line}" for line in outside)
    total = (
        f"Within the cohort: {int(within.sum())} of {len(within)}; in its middle 80 %:"
        f" {int(usual.sum())}."
    )
    return "\n".join([*lines, "", total + (" Not within:\n" if outside else ""), told, ""])


def _differences(task: str, real: ComparisonMeasures, people: Sequence[ComparisonMeasures]) -> str:
    cohort = [p.envelopes for p in people]
    table = between_people_differences(cohort)
    shape = np.mean([p.to_numpy() / p.to_numpy().mean(axis=0) for p in cohort], axis=0)
    table["real"] = correlation(real.envelopes.to_numpy()[:-1], shape[:-1])
    lines = [
        f"| {task} | r with the others' mean | CV | variance ratio | with amplitude |"
        " r of the real person with the cohort's mean |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in (*table.iterrows(), ("mean", table.mean())):
        cells = " | ".join(f"{value:.2f}" for value in row)
        lines.append(f"| {str(name).removesuffix('_r')} | {cells} |")
    return "\n".join([*lines, ""])


def _effects(people: Sequence[Person]) -> str:
    lines = [
        "| cause alone | walking r | lag | NRMSE | running r | lag | NRMSE |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for cause in ("none", *read_causes(), "all"):
        cells = []
        for task in SPEEDS:
            scores = pd.concat([p.effects[task, cause] for p in people])
            digits = 4 if cause == "none" else 3
            cells += [
                f"{scores['r'].median():.{digits}f} ({scores['r'].min():.{digits}f})",
                f"{scores['lag_ms'].median():.0f}",
                f"{scores['nrmse'].median():.3f}",
            ]
        lines.append(f"| {cause.replace('_', ' ')} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _ranges() -> str:
    lines = ["| cause | what | parameters |", "| --- | --- | --- |"]
    for cause in read_causes().values():
        told = "; ".join(
            f"{name} {p.low:g} to {p.high:g}{f' ({p.unit})' if p.unit else ''}"
            f"{f', each {p.scope}' if p.scope != 'person' else ''}"
            for name, p in cause.parameters.items()
            if p.low < p.high
        )
        lines.append(f"| {cause.name.replace('_', ' ')} | {cause.description} | {told} |")
    return "\n".join([*lines, ""])


_INTRODUCTION = """# Virtual people beside a real one

Written by `python -m training.evaluation.cohort_page`. Everything virtual is synthetic.

`nem2e cohort` makes people whose bodies, gait and muscles are known entirely. Motion and moments
come from published tables (`nem2e_tf/cohort/walking.csv`, `running.yaml`), the EMG from a chain of
causes (`causes.yaml`): true muscles that differ from the model's, an effort of one's own,
co-contraction, activation dynamics, delay, and what electrodes make of it. Here stand {people} of
them (seed {seed}, {strides} strides a task), at speeds of their own, beside the one real person of
the ceinms-lower-limb recordings, who walks at 4.5 km/h (`walk45`) and runs at 8.1 km/h (`run81`).

A cycle runs from one largest knee flexion to the next. `lag`, `r` and `RMSE` are of the raw
simulation against the EMG; `variation` is between strides at equal phase. Of nine muscles the
median is shown; `within` counts the muscles for which the real person lies between the least and
the largest of the cohort, the last column those between its 10th and 90th percentile, as 80 % of
people should. The comparison is with one person, whose data set the ranges of
co-contraction, delay, unsteadiness and stride variability ("chosen" in `causes.yaml`) within the
limits of their sources; how much people differ from one another set the widths of measurement,
co-contraction and delay. His or her joint moments in `run81` are not all real: the right force
plate still reads some 230 N in right swing, so moments in swing, and what the simulation makes of
them, are an error of that recording.
"""

_DIFFERENCES = """## How much people differ

Mean cycles of EMG, one person's against the others': `r` with their mean; after each is divided by
its own mean, the coefficient of variation over the cycle (Winter 1984) and the variance ratio
(Hershler and Milner 1978), 0 where people are alike and 1 where they have nothing in common; and
the variance ratio with amplitudes left as they are, 1 being a person's largest. What is published
of healthy adults, as far as abstracts tell it:

{}

So muscles of one joint that carry the body should be the most alike, rectus femoris and the
hamstrings the least. None of these gives a muscle's r in walking or running as it is taken here.
"""

_PUBLISHED = (
    (
        "walking, 16 muscles",
        "least different in distal muscles of one joint, more in proximal ones and in those of two",
        "Winter DA, Yack HJ (1987), Electroencephalogr Clin Neurophysiol 67:402-411",
    ),
    (
        "walking, 5 muscles",
        "amplitudes differ in all, profiles most in rectus femoris",
        "Arsenault AB, Winter DA, Marteniuk RG (1986), Med Biol Eng Comput 24:337-343",
    ),
    (
        "walking, 14 muscles",
        "amplitudes differ by a factor of 4; most muscles have a consistent profile",
        "Hof AL, Elzinga H, Grimmius W, Halbertsma JPK (2005), Gait Posture 21:171-177",
    ),
    (
        "stance of walking, knee flexors and extensors",
        "variance ratio with amplitude 0.43-0.99, by the largest of daily activities and MVC",
        "Ghazwan A, Forrest SM, Holt CA, Whatling GM (2017), PLoS ONE 12:e0174670",
    ),
    (
        "running at 4.2 m/s, 7 muscles",
        "profiles and times of peaks differ between people, and hardly within",
        "Guidetti L, Rivellini G, Figura F (1996), J Electromyogr Kinesiol 6:37-48",
    ),
    (
        "pedalling, 10 muscles",
        "r of 0.88-0.93 between activations of three synergies; weights of soleus and of muscles"
        " of two joints differ most",
        "Hug F, Turpin NA, Guével A, Dorel S (2010), J Appl Physiol 108:1727-1736",
    ),
)

_EFFECTS = """The estimate against the "measured" EMG when one cause acts alone ({} people, {}
strides): median over muscles and people, in brackets the least r; lag in ms, positive where the
estimate is late; NRMSE after both are scaled to their largest value. `carrier`, `noise` and
`artefact` include what the envelope's 6 Hz low-pass does; the others are free of it.
"""

_RANGES = """## Ranges

Sources are in `nem2e_tf/cohort/causes.yaml`. `--without delay,crosstalk` switches causes off,
`--only delay` leaves one; the rest stays exactly as it was.
"""


if __name__ == "__main__":
    terminal.run(app)
