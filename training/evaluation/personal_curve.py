"""What measured cycles of a person are worth: `python -m training.evaluation.personal_curve` writes
docs/personalisation.md.

Refiners that were fitted on virtual people alone are adapted to other virtual people and to the
recorded one by their first 1, 2, 5, ... cycles, and scored on cycles after 60 % of the recording.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from nem2e_tf.cli import terminal
from nem2e_tf.files import replace_file
from nem2e_tf.network.baselines import GainAndLag, Ridge
from nem2e_tf.pipeline import SERIES, Pair
from nem2e_tf.refiner import CARD, Refiner, load, save
from nem2e_tf.refiner.personalise import personalise
from nem2e_tf.report import palette
from nem2e_tf.signals import RATE, metrics, stride_times

from ..experiment import (
    CONFIGS,
    REPOSITORY,
    RUNS,
    Experiment,
    Part,
    prepare_virtual_people,
    read_experiment,
)
from ..fit import configure_tensorflow, fit

TASKS = ("walking", "running")
CYCLES = (0, 1, 2, 5, 10, 20)
UNSEEN = 0.6
"""Share of a recording after which nothing is learnt and everything is scored."""
CONTEXT = 0.15
"""Seconds before and after a frame that the ridge regression sees."""
LATER = 0.25
"""Share of its data by which the ridge regression chooses its penalty, from two cycles on."""
PEOPLE = {"subjects": 4, "seed": 202, "strides": 40}
"""Virtual people that no refiner has seen, with enough strides before `UNSEEN`."""
METHODS = {"refiner": "STDR-Net", "gain_and_lag": "gain and lag", "ridge": "ridge"}
_STYLES = {
    "refiner": (palette.REFINED, "o-"),
    "gain_and_lag": (palette.SIMULATED, "o-"),
    "ridge": (palette.SIMULATED, "s--"),
}

app = terminal.application("What measured cycles of a person are worth.")


def curve(
    refiners: Mapping[str, Refiner],
    pairs: Iterable[Pair],
    cycles: Sequence[int] = CYCLES,
) -> pd.DataFrame:
    """Errors of adapted refiners, and of simpler ways, on cycles that they never saw.

    Args:
        refiners: by task, a refiner that has seen none of the people.
        pairs: whole recordings.
        cycles: how many of each recording's first cycles to learn from. A recording with fewer
            before `UNSEEN` is left out there.

    Returns:
        A row a subject, task, number of cycles and method of `METHODS`: `rmse`, mean over muscles,
        in the unit of the person's EMG, and `r`. With no cycles there is the refiner as it is.
    """
    rows = [
        {"subject": pair.subject, "task": pair.task, "cycles": count, "method": method, **score}
        for pair in pairs
        for count in cycles
        for method, score in _scores(refiners[pair.task], pair, count)
    ]
    return pd.DataFrame(rows, columns=["subject", "task", "cycles", "method", "rmse", "r"])


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over people of `curve`'s table, by task, cycles and method."""
    return table.groupby(["task", "cycles", "method"])[["rmse", "r"]].agg(["mean", "std", "count"])


def first_cycles(pair: Pair, count: int) -> Pair | None:
    """The first cycles of a recording, from one largest knee flexion to another.

    None if it has not that many before `UNSEEN`.
    """
    angles = pair.angles["knee_angle"]
    edges = stride_times(-angles)
    edges = edges[edges <= angles.index[0] + UNSEEN * (angles.index[-1] - angles.index[0])]
    if len(edges) <= count:
        return None
    parts = (getattr(pair, series).loc[edges[0] : edges[count]] for series in SERIES)
    return Pair(pair.subject, pair.task, *parts)


def _scores(refiner: Refiner, pair: Pair, count: int) -> Iterator[tuple[str, dict[str, float]]]:
    test = pair.block(UNSEEN, 1.0)

    def score(estimate: np.ndarray) -> dict[str, float]:
        frame = pd.DataFrame(estimate, test.measured.index, test.measured.columns)
        table = metrics.score_table(test.measured, frame, RATE)
        return {"rmse": float(table["rmse"].mean()), "r": float(table["r"].mean())}

    before = refiner.refine(test.simulated).to_numpy()
    if count == 0:
        yield "refiner", score(before)
        return
    if (seen := first_cycles(pair, count)) is None:
        return
    yield "refiner", score(personalise(refiner, [seen]).refine(test.simulated).to_numpy())
    moved = GainAndLag(round(metrics.LONGEST_LAG * RATE))
    moved.fit([refiner.refine(seen.simulated).to_numpy()], [seen.measured.to_numpy()])
    yield "gain_and_lag", score(moved.predict(before))
    yield "ridge", score(_ridge(seen, count).predict(test.simulated.to_numpy()))


def _ridge(seen: Pair, count: int) -> Ridge:
    """A regression on the same cycles; one cycle alone is its own later part."""
    early, late = (seen.block(0.0, 1.0 - LATER), seen.block(1.0 - LATER, 1.0))
    if count == 1:
        early = late = seen
    parts = (getattr(p, s).to_numpy() for p in (early, late) for s in ("simulated", "measured"))
    return Ridge(round(CONTEXT * RATE)).fit(*([part] for part in parts))


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw RMSE and r against the number of cycles, a row a task; bands are a standard deviation.

    Args:
        table: as `curve` gives it.
        path: path. A .png, .pdf or .svg to write.
    """
    from matplotlib.figure import Figure

    tasks = list(dict.fromkeys(table["task"]))
    figure = Figure(figsize=(9.0, 3.2 * len(tasks)), layout="constrained")
    for task, row in zip(tasks, figure.subplots(len(tasks), 2, squeeze=False), strict=True):
        of_task = table[table["task"] == task]
        for axes, what in zip(row, ("rmse", "r"), strict=True):
            before = of_task.loc[of_task["cycles"] == 0, what].mean()
            axes.axhline(before, color=palette.REFINED, ls=":", label="STDR-Net, not adapted")
            for method, label in METHODS.items():
                colour, style = _STYLES[method]
                some = of_task[(of_task["method"] == method) & (of_task["cycles"] > 0)]
                by = some.groupby("cycles")[what]
                mean, spread = by.mean(), by.std().fillna(0.0)
                axes.plot(mean.index, mean, style, color=colour, label=label)
                axes.fill_between(
                    mean.index, mean - spread, mean + spread, color=colour, alpha=0.15
                )
            axes.set_xscale("log")
            axes.set_xticks(sorted(set(table["cycles"]) - {0}), minor=False)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
            axes.set_title(f"{task}: {'RMSE' if what == 'rmse' else 'r'}")
            axes.set_xlabel("measured cycles")
    row[0].legend(fontsize=8)
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=100)


def page(tables: Mapping[str, pd.DataFrame], pictures: Mapping[str, Path]) -> str:
    """The page, as Markdown."""
    parts = [_INTRODUCTION]
    for what, table in tables.items():
        header = ["task", "cycles", *METHODS.values()]
        found: dict[Any, Any] = summary(table).to_dict("index")
        rows = [header, ["---", "---:", *("---:" for _ in METHODS)]]
        for task, count in table[["task", "cycles"]].drop_duplicates().itertuples(index=False):
            cells = [_cell(found.get((task, count, method))) for method in METHODS]
            rows.append([task, str(count), *cells])
        people = table["subject"].nunique()
        parts += [
            f"## {what}, {people} {'person' if people == 1 else 'people'}",
            "\n".join("| " + " | ".join(row) + " |" for row in rows),
            f"![RMSE and r by the number of cycles, {what}]({pictures[what].name})",
        ]
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = f"""# What measured cycles of a person are worth

Written by `python -m training.evaluation.personal_curve`.

Refiners that were fitted on virtual people alone are adapted to a person they have not seen by the
first cycles of a recording (`nem2e personalise`) and scored on what comes after
{100 * UNSEEN:g} % of it. Each cell: RMSE in the unit of the person's EMG, and r, means over the
nine muscles and ± standard deviation over people. With no cycles there is the refiner as it is,
whose unit is another. `gain and lag` corrects that refiner, muscle by muscle, by the same cycles;
`ridge` is a regression that has nothing but them."""


def _cell(line: Mapping[Any, float] | None) -> str:
    if line is None:
        return ""
    spread = f" ± {line['rmse', 'std']:.3f}" if line["rmse", "count"] > 1 else ""
    return f"{line['rmse', 'mean']:.3f}{spread}, {line['r', 'mean']:.2f}"


def population(experiment: Experiment) -> Refiner:
    """A refiner of one experiment's virtual people alone, fitted now or found in `RUNS`."""
    folder = RUNS / f"{experiment.name}-virtual"
    if not (folder / CARD).exists():
        people = experiment.prepare_virtual()
        assert people is not None
        alone = experiment.model_copy(update={"name": f"{experiment.name}-virtual"})
        save(fit(alone, [Part(people)], RUNS / f"{experiment.name}-virtual-work"), folder)
    return load(folder)


@app.command()
def main(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write, without .json and .md.")
    ] = REPOSITORY / "docs" / "personalisation",
    data: Annotated[
        Path | None, typer.Option(help="Folder of the recordings; NEM2E_DATA otherwise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Adapt refiners to virtual people and to the recorded one, and score them."""
    configure_tensorflow()
    experiments = {path: read_experiment(path) for path in (CONFIGS / f"{t}.yaml" for t in TASKS)}
    refiners = {task: population(e) for task, e in zip(TASKS, experiments.values(), strict=True)}
    recorded = [
        pair
        for path, experiment in experiments.items()
        for pair in experiment.prepare_recorded(data, path).pairs()
        if pair.task in experiment.tasks
    ]
    virtual = [p for p in prepare_virtual_people(**PEOPLE).pairs() if p.task in refiners]
    tables = {
        "Recorded person": curve(refiners, recorded),
        "Virtual people (synthetic)": curve(refiners, virtual),
    }
    pictures = {w: output.with_name(f"{output.name}-{w.split()[0].lower()}.png") for w in tables}
    for what, table in tables.items():
        draw(table, pictures[what])
    found: dict[str, Any] = {what: table.to_dict("records") for what, table in tables.items()}
    text = page(tables, pictures)
    for suffix, content in ((".json", json.dumps(found, indent=1) + "\n"), (".md", text)):
        with replace_file(output.with_suffix(suffix)) as temporary:
            temporary.write_text(content, encoding="utf-8", newline="\n")
    if as_json:
        terminal.print_json(found)
    else:
        terminal.print_lines([f"wrote {output.with_suffix('.md')}"])


if __name__ == "__main__":
    terminal.run(app)
