"""The command `nem2e`: what the library does, from files to files."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nem2e_tf import terminal
from nem2e_tf.files import check_folder, check_output, read_storage, write_storage

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.refiner import Refiner
    from nem2e_tf.simulation.verdict import Verdict

app = terminal.application("Muscle activity from human motion.")

PLOTS = (".png", ".pdf", ".svg")


class Side(StrEnum):
    """A leg."""

    right = "r"
    left = "l"


class Solver(StrEnum):
    """What shares joint moments among muscles: ours, or one of OpenSim's to compare with."""

    static = "static"
    opensim = "opensim"
    moco = "moco"
    cmc = "cmc"


Model = Annotated[Path, typer.Option(help="OpenSim model (.osim).")]
Motion = Annotated[Path, typer.Option(help="Joint motion (.mot, .sto), from inverse kinematics.")]
Moments = Annotated[Path, typer.Option(help="Joint moments (.sto), from inverse dynamics.")]
RefinerName = Annotated[str, typer.Option(help="Name of a shipped refiner, or a refiner's folder.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Storage file to write (.sto).")]
Start = Annotated[float | None, typer.Option(help="First second to use.")]
End = Annotated[float | None, typer.Option(help="Last second to use.")]
OneSide = Annotated[Side, typer.Option(help="Leg: r or l.")]
AnySide = Annotated[
    Side | None, typer.Option(help="Leg: r or l; found from the columns if left out.")
]
Plot = Annotated[Path | None, typer.Option(help="Picture to write (.png, .pdf, .svg).")]
SolverName = Annotated[
    Solver, typer.Option("--solver", help="static, or one of OpenSim's own: opensim, moco, cmc.")
]
Loads = Annotated[
    Path | None, typer.Option(help="External loads (.xml) for OpenSim's own solvers.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def estimate(
    model: Model,
    motion: Motion,
    moments: Moments,
    refiner: RefinerName,
    output: Output,
    start: Start = None,
    end: End = None,
    side: OneSide = Side.right,
    solver: SolverName = Solver.static,
    loads: Loads = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Estimate EMG envelopes from joint motion and moments: simulate, then refine."""
    from nem2e_tf.simulation import judge_files, load_leg, simulate_files

    inputs = (model, motion, moments, loads)
    check_output(output, (".sto",), inputs)
    if plot is not None:
        check_output(plot, PLOTS, inputs)
    leg = load_leg(model, side)
    trained = _load(refiner)
    trained.columns(leg.muscles, side, str(model))
    with terminal.progress_bar("simulating") as progress:
        simulated = simulate_files(
            leg, motion, moments, start=start, end=end, progress=progress, solver=solver,
            loads=loads,
        )  # fmt: skip
    verdict = judge_files(leg, simulated, moments)
    refined = trained.refine(simulated, side)
    _write(refined, output, f"EMG envelopes refined by {trained.card.name}", as_json)
    if plot is not None:
        _plot(simulated, refined, plot, f"{motion.name}, refined by {trained.card.name}", as_json)
    _conclude(
        verdict, as_json, model=model, output=output, plot=plot, solver=solver,
        refiner=trained.card.name,
    )  # fmt: skip


@app.command()
def simulate(
    model: Model,
    motion: Motion,
    moments: Moments,
    output: Output,
    start: Start = None,
    end: End = None,
    side: OneSide = Side.right,
    solver: SolverName = Solver.static,
    loads: Loads = None,
    as_json: Json = False,
) -> None:
    """Simulate the activity of all muscles of a leg, and its reserve actuators."""
    from nem2e_tf.simulation import judge_files, load_leg, simulate_files

    check_output(output, (".sto",), (model, motion, moments, loads))
    leg = load_leg(model, side)
    with terminal.progress_bar("simulating") as progress:
        simulated = simulate_files(
            leg, motion, moments, start=start, end=end, progress=progress, solver=solver,
            loads=loads,
        )  # fmt: skip
    verdict = judge_files(leg, simulated, moments)
    _write(simulated, output, "Simulated muscle activity", as_json)
    _conclude(verdict, as_json, model=model, output=output, solver=solver)


@app.command()
def refine(
    simulated: Annotated[Path, typer.Argument(help="Simulated activity (.sto).")],
    refiner: RefinerName,
    output: Output,
    side: AnySide = None,
    plot: Plot = None,
) -> None:
    """Refine simulated muscle activity into EMG envelopes."""
    check_output(output, (".sto",), (simulated,))
    if plot is not None:
        check_output(plot, PLOTS, (simulated,))
    activity = read_storage(simulated)
    trained = _load(refiner)
    refined = trained.refine(activity, side)
    _write(refined, output, f"EMG envelopes refined by {trained.card.name}")
    if plot is not None:
        _plot(activity, refined, plot, f"{simulated.name}, refined by {trained.card.name}")


@app.command()
def evaluate(
    measured: Annotated[Path, typer.Option(help="Measured EMG envelopes (.sto).")],
    estimate: Annotated[Path, typer.Option(help="Estimate to score (.sto).")],
    baseline: Annotated[
        Path | None, typer.Option(help="Estimate to beat, such as the raw simulation (.sto).")
    ] = None,
    muscles: Annotated[
        Path | None, typer.Option(help="Muscle map (.yaml): which channel is which muscle.")
    ] = None,
    side: AnySide = None,
    start: Start = None,
    end: End = None,
    as_json: Json = False,
) -> None:
    """Score an estimate against measured EMG, muscle by muscle."""
    from nem2e_tf.agreement import agreement
    from nem2e_tf.muscles import MuscleMap

    result = agreement(
        read_storage(measured),
        read_storage(estimate),
        None if baseline is None else read_storage(baseline),
        muscles=MuscleMap.load(muscles),
        side=side,
        start=start,
        end=end,
    )
    if as_json:
        terminal.print_json(result.as_json())
    else:
        terminal.screen.print(result.as_rich())


@app.command()
def scale(
    generic: Annotated[Path, typer.Option(help="Generic model with a marker set (.osim).")],
    static: Annotated[Path, typer.Option(help="Markers of a quiet stance (.trc).")],
    mass: Annotated[float, typer.Option(help="Body mass in kilograms.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Scaled model to write (.osim).")],
    height: Annotated[float | None, typer.Option(help="Height in metres, noted only.")] = None,
    start: Start = None,
    end: End = None,
    as_json: Json = False,
) -> None:
    """Scale a generic model to a subject, and place its markers, from a static trial."""
    from nem2e_tf.simulation.scaling import scale_model

    check_output(output, (".osim",), (generic, static))
    with terminal.console.status("scaling"):
        scaling = scale_model(generic, static, mass, output, height=height, start=start, end=end)
    terminal.print_warnings(scaling.warnings())
    if as_json:
        terminal.print_json(scaling.as_json())
    else:
        terminal.print_lines([*scaling.lines(), f"wrote {output}"])


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")] = Path(
        "nem2e-demo"
    ),
) -> None:
    """Refine the synthetic walk of a virtual leg. Needs no data."""
    from nem2e_tf.cohort.demo import demo_walk

    check_folder(output)
    terminal.screen.print(
        "The motion is synthetic: a published average gait cycle, walked by a leg built in code."
    )
    with terminal.progress_bar("simulating") as progress:
        simulated, written = demo_walk(output, progress)
    refined = _load("walking").refine(simulated)
    _write(refined, output / "emg.sto", "EMG envelopes refined by walking, of a synthetic motion")
    _plot(simulated, refined, output / "emg.png", "Synthetic walk of a virtual leg")
    for path in written:
        terminal.screen.print(f"wrote {path}", soft_wrap=True, highlight=False)


def _load(refiner: str) -> "Refiner":
    from nem2e_tf.refiner import load

    with terminal.console.status("loading the refiner"):
        terminal.quiet_tensorflow()
        return load(refiner)


def _write(frame: "pd.DataFrame", path: Path, title: str, silent: bool = False) -> None:
    write_storage(frame, path, title)
    if not silent:
        terminal.screen.print(f"wrote {path}", soft_wrap=True, highlight=False)


def _plot(
    simulated: "pd.DataFrame",
    refined: "pd.DataFrame",
    path: Path,
    title: str,
    silent: bool = False,
) -> None:
    from nem2e_tf.plots import plot_activity

    plot_activity(simulated, refined, path, title)
    if not silent:
        terminal.screen.print(f"wrote {path}", soft_wrap=True, highlight=False)


def _conclude(verdict: "Verdict", as_json: bool, **facts: object) -> None:
    terminal.print_warnings(verdict.warnings(), verdict.notes())
    if as_json:
        terminal.print_json(verdict.report(**facts))


def main() -> None:
    """Run `nem2e`."""
    terminal.run(app)
