"""The command `nem2e`: what the library does, from files to files."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nem2e_tf import terminal
from nem2e_tf.files import check_folder, check_new_folder, check_output, read_storage, write_storage
from nem2e_tf.options import (
    AnySide,
    Backend,
    DataFolder,
    End,
    IKTasks,
    Interval,
    Jobs,
    Json,
    Loads,
    Markers,
    Model,
    Moments,
    Motion,
    OneSide,
    Output,
    PathKind,
    Paths,
    Plot,
    RefinerName,
    Runtime,
    RuntimeName,
    Side,
    Solver,
    SolverName,
    Start,
    Up,
)

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.refiner import Refiner
    from nem2e_tf.simulation import LegModel, Recording, Simulation

app = terminal.application("Muscle activity from human motion.")

PLOTS = (".png", ".pdf", ".svg")


@app.command()
def estimate(
    model: Model,
    refiner: RefinerName,
    output: Output,
    motion: Motion = None,
    markers: Markers = None,
    moments: Moments = None,
    loads: Loads = None,
    ik_tasks: IKTasks = None,
    up: Up = None,
    start: Start = None,
    end: End = None,
    side: OneSide = Side.right,
    solver: SolverName = Solver.static,
    paths: Paths = PathKind.exact,
    interval: Interval = False,
    runtime: RuntimeName = Runtime.keras,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Estimate EMG envelopes from a recorded motion: simulate, then refine."""
    from nem2e_tf.simulation import Recording, load_leg

    recording = Recording(motion, markers, moments, loads, ik_tasks, up)
    inputs = (model, *recording.files)
    check_output(output, (".sto",), inputs)
    if plot is not None:
        check_output(plot, PLOTS, inputs)
    leg = load_leg(model, side)
    trained = _load(refiner, interval, runtime)
    trained.columns(leg.muscles, side, str(model))
    simulation = _simulate(leg, recording, start, end, solver, paths)
    refined, bounds, unlike = _refine(trained, simulation.activity, side, interval)
    title = f"{recording.name}, refined by {trained.card.name}"
    write_storage(refined.join(bounds), output, f"EMG envelopes of {title}")
    if plot is not None:
        _plot(simulation.activity, refined, plot, title, bounds=bounds)
    written = {"output": output, "plot": plot}
    _conclude(
        simulation, written, as_json, model=model, solver=solver, paths=paths,
        refiner=trained.card.name, unlike=unlike,
    )  # fmt: skip


@app.command()
def simulate(
    model: Model,
    output: Output,
    motion: Motion = None,
    markers: Markers = None,
    moments: Moments = None,
    loads: Loads = None,
    ik_tasks: IKTasks = None,
    up: Up = None,
    start: Start = None,
    end: End = None,
    side: OneSide = Side.right,
    solver: SolverName = Solver.static,
    paths: Paths = PathKind.exact,
    as_json: Json = False,
) -> None:
    """Simulate the activity of all muscles of a leg, and its reserve actuators."""
    from nem2e_tf.simulation import Recording, load_leg

    recording = Recording(motion, markers, moments, loads, ik_tasks, up)
    check_output(output, (".sto",), (model, *recording.files))
    simulation = _simulate(load_leg(model, side), recording, start, end, solver, paths)
    write_storage(simulation.activity, output, f"Simulated muscle activity of {recording.name}")
    written = {"output": output}
    _conclude(simulation, written, as_json, model=model, solver=solver, paths=paths)


@app.command()
def refine(
    simulated: Annotated[Path, typer.Argument(help="Simulated activity (.sto).")],
    refiner: RefinerName,
    output: Output,
    side: AnySide = None,
    interval: Interval = False,
    runtime: RuntimeName = Runtime.keras,
    plot: Plot = None,
) -> None:
    """Refine simulated muscle activity into EMG envelopes."""
    check_output(output, (".sto",), (simulated,))
    if plot is not None:
        check_output(plot, PLOTS, (simulated,))
    activity = read_storage(simulated)
    trained = _load(refiner, interval, runtime)
    refined, bounds, _ = _refine(trained, activity, side, interval)
    _write(refined.join(bounds), output, f"EMG envelopes refined by {trained.card.name}")
    if plot is not None:
        title = f"{simulated.name}, refined by {trained.card.name}"
        _plot(activity, refined, plot, title, bounds=bounds)
        terminal.print_lines([f"wrote {plot}"])


@app.command()
def stream(
    refiner: RefinerName = "stream",
    runtime: RuntimeName = Runtime.tflite_int8,
    side: AnySide = None,
) -> None:
    """Refine lines of standard input as they come, and write lines to standard output.

    The first line names the columns, `time` and muscles as in a storage file, between commas; every
    other is a sample. Lines that come at other times than the refiner's are interpolated.
    """
    from nem2e_tf.stream import stream_lines

    trained = _load(refiner, runtime=runtime)
    # Bytes that are no text make a line that is no sample.
    with open(0, encoding="utf-8", errors="replace", closefd=False) as entries:
        told: Callable[[str], None] = lambda sentence: terminal.print_warnings([sentence])  # noqa: E731
        for line in stream_lines(trained, entries, side, told):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


@app.command()
def distortion(
    simulated: Annotated[Path, typer.Argument(help="Simulated activity of some cycles (.sto).")],
    refiner: RefinerName,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write (.png, .pdf, .svg).")
    ],
    truth: Annotated[
        Path | None, typer.Option(help="Measured EMG or true excitation to set beside (.sto).")
    ] = None,
    side: AnySide = None,
    as_json: Json = False,
) -> None:
    """Draw what a refiner does to timing: its attention, and how late each muscle was simulated."""
    from nem2e_tf.distortion import distortion as find
    from nem2e_tf.distortion_plot import plot_distortion

    files = [path for path in (simulated, truth) if path is not None]
    check_output(output, PLOTS, files)
    activity, *compared = (read_storage(path) for path in files)
    trained = _load(refiner)
    found = find(trained, activity, side, *compared)
    terminal.print_warnings(trained.unlike(activity, side))
    plot_distortion(found, output, f"{simulated.name}, refined by {trained.card.name}")
    if as_json:
        terminal.print_json({"output": str(output), **found.as_json()})
    else:
        terminal.print_lines([*found.lines(), f"wrote {output}"])


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
def prepare(
    trials: Annotated[Path, typer.Argument(help="List of trials (.csv).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")],
    data: DataFolder = None,
    paths: Paths = PathKind.exact,
    jobs: Jobs = -1,
    backend: Annotated[Backend, typer.Option(help="Where the processes run.")] = Backend.local,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    as_json: Json = False,
) -> None:
    """Simulate all trials of a list and pair them with their EMG, ready for training.

    What is prepared already is not made again. Exits with status 1 if a trial had to be skipped.
    """
    from nem2e_tf import preparation
    from nem2e_tf.trials import read_trials

    listed = read_trials(trials, data)
    terminal.quiet_tensorflow()
    with terminal.progress_bar("preparing trials") as progress:
        prepared = preparation.prepare(
            listed,
            output,
            preparation.Settings.standard(paths),
            jobs=jobs,
            backend=backend,
            scheduler=scheduler,
            progress=progress,
        )
    for trial, fault in prepared.failed.items():
        terminal.console.print(f"skipped {trial}: {fault}", soft_wrap=True, highlight=False)
    if as_json:
        terminal.print_json(prepared.as_json())
    else:
        terminal.screen.print(
            f"wrote {output}: {prepared.made} trials made, {prepared.found} found,"
            f" {len(prepared.failed)} skipped",
            soft_wrap=True,
            highlight=False,
        )
    if prepared.failed:
        raise typer.Exit(1)


@app.command()
def personalise(
    trials: Annotated[Path, typer.Option(help="List of one person's trials with EMG (.csv).")],
    refiner: RefinerName,
    output: Annotated[Path, typer.Option("--output", "-o", help="Refiner folder to write.")],
    data: DataFolder = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of what is learnt.")] = 0,
    jobs: Jobs = -1,
) -> None:
    """Adapt a refiner to one person, from a few measured cycles."""
    from nem2e_tf import personalise as personal
    from nem2e_tf.refiner import save
    from nem2e_tf.trials import read_trials

    check_new_folder(output)
    listed = read_trials(trials, data)
    trained = _load(refiner)
    with terminal.progress_bar("preparing trials") as progress:
        pairs = personal.record(listed, trained, jobs=jobs, progress=progress)
    with terminal.progress_bar("adapting") as progress:
        adapted = personal.personalise(trained, pairs, seed=seed, progress=progress)
    save(adapted, output)
    terminal.print_lines([f"wrote {output}: {adapted.card.summary}"])


@app.command()
def emg(
    raw: Annotated[list[Path], typer.Argument(help="Raw EMG of one subject (.sto, .c3d, .csv).")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Storage file (.sto), or a folder for several trials."),
    ],
    mvc: Annotated[
        list[Path] | None,
        typer.Option(help="Raw EMG of a maximal voluntary contraction, to normalise by."),
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Channel to keep; all if none.")] = None,
    notch: Annotated[float | None, typer.Option(help="Mains hum to take out, Hz.")] = None,
    low: Annotated[float, typer.Option(help="Lower edge of the band-pass, Hz.")] = 20.0,
    high: Annotated[float, typer.Option(help="Upper edge of the band-pass, Hz.")] = 450.0,
    cutoff: Annotated[float, typer.Option(help="Low-pass of the envelope, Hz.")] = 6.0,
) -> None:
    """Make EMG envelopes of raw EMG, normalised once over all trials given."""
    from nem2e_tf.emg_session import outputs, session

    places = outputs(raw, output, mvc or ())
    done = session(raw, mvc or (), channels=channel, band=(low, high), cutoff=cutoff, notch=notch)
    for sentence in done.faults:
        terminal.console.print(sentence, soft_wrap=True, highlight=False, markup=False)
    for file, frame in done.trials.items():
        _write(frame, places[file], f"EMG envelopes of {file.name}")


@app.command()
def cohort(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")],
    subjects: Annotated[int, typer.Option(min=1, help="How many virtual people.")] = 20,
    tasks: Annotated[str, typer.Option(help="walking, running or both.")] = "walking,running",
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other people.")] = 1,
    strides: Annotated[int, typer.Option(min=3, help="Strides of each task.")] = 30,
    only: Annotated[
        str | None, typer.Option(help="The only causes of EMG that differs from the estimate.")
    ] = None,
    without: Annotated[str, typer.Option(help="Causes to switch off, as delay,noise.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="Write raw EMG too.")] = False,
    jobs: Jobs = -1,
) -> None:
    """Make virtual people who walk and run, with an EMG that has people's causes to differ."""
    from nem2e_tf.cohort.causes import switched_on
    from nem2e_tf.cohort.making import Recipe, make_cohort

    acting = switched_on(None if only is None else _names(only), _names(without))
    recipe = Recipe(seed, tuple(_names(tasks)), strides, acting, raw)
    with terminal.progress_bar("making virtual people") as progress:
        trials = make_cohort(output, subjects, recipe, jobs=jobs, progress=progress)
    terminal.print_lines([f"wrote {trials}"])


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
    refiner: RefinerName = "gait",
) -> None:
    """Refine the walk of a virtual person that no refiner has seen. Needs no data."""
    from nem2e_tf.agreement import agreement
    from nem2e_tf.cohort.demo import demo_walk

    check_folder(output)
    terminal.screen.print(
        "All of this is synthetic: a virtual person walks, with muscles and an EMG of their own,"
        " which the simulation does not know."
    )
    with terminal.progress_bar("simulating") as progress:
        simulated, measured, written = demo_walk(output, progress)
    trained = _load(refiner)
    refined = trained.refine(simulated)
    what = f"synthetic walk, refined by {trained.card.name}"
    _write(refined, output / "emg.sto", f"EMG envelopes of a {what}")
    _plot(simulated, refined, output / "emg.png", what.capitalize(), measured)
    terminal.print_lines(f"wrote {path}" for path in [output / "emg.png", *written])
    terminal.screen.print(agreement(measured, refined, simulated).as_rich())


def _names(listed: str) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in listed.split(",") if name.strip()]


def _load(refiner: str, interval: bool = False, runtime: Runtime = Runtime.keras) -> "Refiner":
    from nem2e_tf.refiner import load

    with terminal.console.status("loading the refiner"):
        if runtime in (Runtime.keras, Runtime.savedmodel):
            terminal.quiet_tensorflow()
        with terminal.without_native_notes():
            trained = load(refiner, runtime)
    if interval:
        trained.offsets()  # refused here, before anything is simulated
    return trained


def _refine(
    trained: "Refiner", activity: "pd.DataFrame", side: str | None, interval: bool
) -> "tuple[pd.DataFrame, pd.DataFrame, list[str]]":
    """Envelopes, their interval (no columns if not asked for), and what was warned of."""
    refined = trained.refine(activity, side)
    bounds = trained.interval(refined) if interval else refined[[]]
    unlike = trained.unlike(activity, side)
    terminal.print_warnings(unlike)
    return refined, bounds, unlike


def _simulate(
    leg: "LegModel",
    recording: "Recording",
    start: float | None,
    end: float | None,
    solver: Solver,
    paths: PathKind,
) -> "Simulation":
    from nem2e_tf.simulation import simulate_recording

    return simulate_recording(
        leg, recording, start=start, end=end, solver=solver, paths=paths,
        stages=terminal.progress_bar,
    )  # fmt: skip


def _conclude(
    simulation: "Simulation", written: Mapping[str, Path | None], as_json: bool, **facts: object
) -> None:
    """Say what was made, and first what is to be known of it."""
    from nem2e_tf.simulation.kinematics import errors_as_rich

    verdict, errors = simulation.verdict, simulation.marker_errors
    terminal.print_warnings(verdict.warnings(), verdict.notes())
    if as_json:
        told = {} if errors is None else {"marker_errors": errors.to_dict("index")}
        terminal.print_json(verdict.report(**written, **facts, **told))
        return
    if errors is not None:
        terminal.screen.print(errors_as_rich(errors))
    terminal.print_lines(f"wrote {path}" for path in written.values() if path is not None)


def _write(frame: "pd.DataFrame", path: Path, title: str) -> None:
    write_storage(frame, path, title)
    terminal.print_lines([f"wrote {path}"])


def _plot(
    simulated: "pd.DataFrame",
    refined: "pd.DataFrame",
    path: Path,
    title: str,
    measured: "pd.DataFrame | None" = None,
    bounds: "pd.DataFrame | None" = None,
) -> None:
    from nem2e_tf.plots import plot_activity

    plot_activity(simulated, refined, path, title, measured, bounds)


def main() -> None:
    """Run `nem2e`."""
    terminal.run(app)
