"""How much measured cycles of a person improve a refiner.

`python -m training.evaluation.personal_curve` writes docs/personalisation.md.

Refiners that were fitted on virtual people alone are adapted to other virtual people and to the
recorded one by their first 1, 2, 5, ... cycles, and scored on cycles after 60 % of the recording.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from nem2e_tf.cli import terminal
from nem2e_tf.network.baselines import GainAndLag, Ridge
from nem2e_tf.pipeline import SERIES, Pair
from nem2e_tf.refiner import CARD, Refiner, load, save
from nem2e_tf.refiner.personalise import personalise
from nem2e_tf.signals import RATE, metrics, stride_times

from ..experiment import Experiment, Part, prepare_virtual_people, read_experiment
from ..fit import configure_tensorflow, fit
from ..places import CONFIGS, REPOSITORY, RUNS
from .personal_page import RECORDED, UNSEEN, VIRTUAL, read_tables, write_curves

TASKS = ("walking", "running")
CYCLES = (0, 1, 2, 5, 10, 20)
CONTEXT = 0.15
"""Seconds before and after a frame that the ridge regression sees."""
LATER = 0.25
"""Share of its data by which the ridge regression chooses its penalty, from two cycles on."""
PEOPLE = {"subjects": 4, "seed": 202, "strides": 40}
"""Virtual people that no refiner has seen, with enough strides before `UNSEEN`."""

app = terminal.make_app("Score refiners that are adapted to a person by measured cycles.")


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
        Path, typer.Option("--output", "-o", help="Where to write .json, .md, .png and a folder.")
    ] = REPOSITORY / "docs" / "personalisation",
    data: Annotated[
        Path | None, typer.Option(help="Folder of the recordings; NEM2E_DATA otherwise.")
    ] = None,
    page_only: Annotated[
        bool, typer.Option("--page-only", help="Write the page again from the .json; fit nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Adapt refiners to virtual people and to the recorded one, and score them."""
    if page_only:
        tables = read_tables(output.with_suffix(".json"))
        write_curves(tables, output)
        return _show(tables, output, as_json)
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
        RECORDED: curve(refiners, recorded),
        VIRTUAL: curve(refiners, virtual),
    }
    write_curves(tables, output)
    _show(tables, output, as_json)


def _show(tables: Mapping[str, pd.DataFrame], output: Path, as_json: bool) -> None:
    if as_json:
        terminal.print_json({name: table.to_dict("records") for name, table in tables.items()})
    else:
        terminal.print_lines([f"wrote {output.with_suffix('.md')}"])


if __name__ == "__main__":
    terminal.run(app)
