"""What measured cycles of a person are worth: `python -m training.personal_curve`.

Refiners that were fitted on virtual people alone are adapted to other virtual people and to the
recorded one by their first 1, 2, 5, ... cycles, and scored on cycles after 60 % of the recording.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from nem2e_tf import metrics, terminal
from nem2e_tf.baselines import GainAndLag, Ridge
from nem2e_tf.files import replacing
from nem2e_tf.gait import strides
from nem2e_tf.personalise import personalise
from nem2e_tf.refiner import CARD, Refiner, load, save
from nem2e_tf.shards import SERIES, Pair
from nem2e_tf.signals import RATE
from training.experiment import CONFIGS, RUNS, Experiment, Part, read_experiment, virtual_people
from training.fit import fit

TASKS = ("walking", "running")
CYCLES = (0, 1, 2, 5, 10, 20)
UNSEEN = 0.6
"""Share of a recording after which nothing is learnt and everything is scored."""
CONTEXT = 0.15
"""Seconds before and after a frame that the ridge regression sees."""
LATER = 0.25
"""Share of its data by which the ridge regression chooses its penalty, from two cycles on."""
PEOPLE = {"subjects": 10, "seed": 202, "strides": 40}
"""Virtual people that no refiner has seen, with enough strides before `UNSEEN`."""
METHODS = {"refiner": "STDR-Net", "gain_and_lag": "gain and lag", "ridge": "ridge"}

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
    edges = strides(-angles)
    edges = edges[edges <= angles.index[0] + UNSEEN * (angles.index[-1] - angles.index[0])]
    if len(edges) <= count:
        return None
    parts = (getattr(pair, series).loc[edges[0] : edges[count]] for series in SERIES)
    return Pair(pair.subject, pair.task, *parts)


def _scores(refiner: Refiner, pair: Pair, count: int) -> Iterator[tuple[str, dict[str, float]]]:
    test = pair.block(UNSEEN, 1.0)

    def score(estimate: np.ndarray) -> dict[str, float]:
        frame = pd.DataFrame(estimate, test.measured.index, test.measured.columns)
        table = metrics.table(test.measured, frame, RATE)
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
            axes.axhline(before, color="gray", ls=":", label="STDR-Net, not adapted")
            for i, (method, label) in enumerate(METHODS.items()):
                some = of_task[(of_task["method"] == method) & (of_task["cycles"] > 0)]
                by = some.groupby("cycles")[what]
                mean, spread = by.mean(), by.std().fillna(0.0)
                axes.plot(mean.index, mean, "o-", color=f"C{i}", label=label)
                axes.fill_between(
                    mean.index, mean - spread, mean + spread, color=f"C{i}", alpha=0.15
                )
            axes.set_xscale("log")
            axes.set_xticks(sorted(set(table["cycles"]) - {0}), minor=False)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
            axes.set_title(f"{task}: {'RMSE' if what == 'rmse' else 'r'}")
            axes.set_xlabel("measured cycles")
    row[0].legend(fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)


def as_rich(table: pd.DataFrame, title: str) -> Table:
    """Mean ± standard deviation over people, for a terminal."""
    shown = Table("task", "cycles", title=title, caption="RMSE, then r", box=SIMPLE_HEAD)
    for label in METHODS.values():
        shown.add_column(label, justify="right")
    found: dict[Any, Any] = summary(table).to_dict("index")
    for task, count in table[["task", "cycles"]].drop_duplicates().itertuples(index=False):
        lines = [found.get((task, count, method)) for method in METHODS]
        shown.add_row(task, str(count), *(_cell(line) for line in lines))
    return shown


def _cell(line: Mapping[Any, float] | None) -> str:
    if line is None:
        return ""
    spread = f" ± {line['rmse', 'std']:.3f}" if line["rmse", "count"] > 1 else ""
    return f"{line['rmse', 'mean']:.3f}{spread}  {line['r', 'mean']:.2f}"


def population(experiment: Experiment) -> Refiner:
    """A refiner of one experiment's virtual people alone, fitted now or found in `RUNS`."""
    folder = RUNS / f"{experiment.name}-virtual"
    if not (folder / CARD).exists():
        people = experiment.virtual()
        assert people is not None
        alone = experiment.model_copy(update={"name": f"{experiment.name}-virtual"})
        save(fit(alone, [Part(people)], RUNS / f"{experiment.name}-virtual-work"), folder)
    return load(folder)


@app.command()
def main(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Picture to write (.png, .pdf, .svg).")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the recordings; NEM2E_DATA otherwise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Adapt refiners to virtual people and to the recorded one, and score them."""
    terminal.quiet_tensorflow()
    experiments = {path: read_experiment(path) for path in (CONFIGS / f"{t}.yaml" for t in TASKS)}
    refiners = {task: population(e) for task, e in zip(TASKS, experiments.values(), strict=True)}
    recorded = [
        pair
        for path, experiment in experiments.items()
        for pair in experiment.recorded(data, path).pairs()
        if pair.task in experiment.tasks
    ]
    virtual = [p for p in virtual_people(**PEOPLE).pairs() if p.task in refiners]
    tables = {
        "virtual people (synthetic)": curve(refiners, virtual),
        "recorded person": curve(refiners, recorded),
    }
    if output is not None:
        for what, table in tables.items():
            draw(table, output.with_stem(f"{output.stem}-{what.split()[0]}"))
    if as_json:
        report: dict[str, Any] = {w: t.to_dict("records") for w, t in tables.items()}
        terminal.print_json(report)
        return
    for what, table in tables.items():
        terminal.screen.print(as_rich(table, what))


if __name__ == "__main__":
    terminal.run(app)
