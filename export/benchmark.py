"""What every form of a refiner costs: `python -m export.benchmark walking`.

Measured for each: bytes and files; seconds to convert it again; time for 100 frames and for one
streaming step (`forward_step` and `decode_step`), with one and two threads where the runtime has
threads; and memory. Beside them stand the conversions that a user would try, `stock_conversion`,
of the same network.

All calls are timed in turn, so that what else the machine does slows all of them alike. Processor
time is given too: other programs do not lengthen it.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated

import typer
from joblib import cpu_count
from rich.box import SIMPLE_HEAD
from rich.table import Table

from nem2e_tf.cli import terminal
from nem2e_tf.edge import Manifest, Network, StepNetwork
from nem2e_tf.refiner import Refiner, load
from nem2e_tf.refiner.runtimes import WEIGHTS

from . import onnx, savedmodel, tflite
from .child_process import describe_failure, run_function
from .forms import Parity
from .latency import ROUNDS, Latency, step_call, time_calls, window_call
from .memory import FRAMES, measure_peak
from .networks import open_form, open_window_graph
from .windows import synthetic_activity

THREADS = (1, 2)
REFERENCE = "while"
"""The stock conversion that latencies are compared with."""
WINDOWS = 20
"""Synthetic ones, on which stock conversions are compared with Keras."""

app = terminal.make_app("Measure what every form of a refiner costs.")


@dataclass
class Cost:
    """What a form costs.

    Args:
        form: as in the manifest, `keras` or one of `stock_conversion.CONVERSIONS`.
        files: how many.
        bytes: of all of them.
        conversion_seconds: None of what is not converted.
        memory_bytes: see `export.memory`.
        frames: by threads, latency of 100 frames; `-` where the runtime decides itself.
        step: by threads, latency of a streaming step; empty where there is none.
        faster: median latency of `REFERENCE` for 100 frames over the form's, with one thread.
        worst: largest difference from Keras; of stock conversions only.
        error: why there is no such form; then nothing else is known.
    """

    form: str
    files: int = 0
    bytes: int = 0
    conversion_seconds: float | None = None
    memory_bytes: int | None = None
    frames: dict[str, Latency] = field(default_factory=dict)
    step: dict[str, Latency] = field(default_factory=dict)
    faster: float | None = None
    worst: float | None = None
    error: str | None = None

    @property
    def single_thread(self) -> Latency:
        """Of 100 frames with one thread, or as the runtime has it."""
        return next(iter(self.frames.values()))


def time_conversions(refiner: Refiner) -> dict[str, float]:
    """Seconds that every form takes to convert, calibration included, by form."""
    taken = {}
    for module in (savedmodel, onnx, tflite):
        for recipe in module.RECIPES:
            with TemporaryDirectory() as folder:
                start = perf_counter()
                for form in module.forms(refiner, [recipe]):
                    form.write(Path(folder))
                    taken[form.name] = perf_counter() - start
    return taken


def measure(refiner: Refiner, rounds: int = ROUNDS) -> tuple[list[Cost], list[Cost]]:
    """Measure every form that was exported, and every stock conversion.

    Args:
        refiner: Refiner, in Keras, loaded from a folder.
        rounds: see `time_calls`.
    """
    folder = refiner.folder
    assert folder is not None
    manifest = Manifest.read(folder)
    costs = [Cost("keras", 1, (folder / WEIGHTS).stat().st_size)]
    for form in sorted(manifest.forms):
        sizes = [of["bytes"] for of in manifest.forms[form]["files"].values()]
        costs.append(Cost(form, len(sizes), sum(sizes)))
    networks = {
        (cost.form, threads): network
        for cost in costs
        for threads, network in _open_by_threads(refiner, manifest, cost.form)
    }
    seconds, base = time_conversions(refiner), measure_peak()
    for cost in costs:
        cost.conversion_seconds = seconds.get(cost.form)
        cost.memory_bytes = measure_peak(str(folder), cost.form) - base
    with TemporaryDirectory() as temporary:
        tried = measure_stock_conversions(refiner, Path(temporary), base, networks)
        frames = {key: window_call(network) for key, network in networks.items()}
        steps = {
            key: step_call(network)
            for key, network in networks.items()
            if isinstance(network, StepNetwork)
        }
        latency, of_steps = time_calls(frames, rounds), time_calls(steps, rounds)
    for cost in (*costs, *tried):
        cost.frames = {threads: x for (form, threads), x in latency.items() if form == cost.form}
        cost.step = {threads: x for (form, threads), x in of_steps.items() if form == cost.form}
    known = {cost.form: cost for cost in (*costs, *tried) if cost.frames}
    if REFERENCE in known:
        for cost in known.values():
            cost.faster = known[REFERENCE].single_thread.median_ms / cost.single_thread.median_ms
    return costs, tried


def _open_by_threads(
    refiner: Refiner, manifest: Manifest, form: str
) -> Iterable[tuple[str, Network]]:
    """A form's network by the number of its threads."""
    if form == "keras":
        return [("-", refiner.network)]
    if form == "savedmodel":
        return [("-", open_form(manifest, form))]
    return [(str(count), open_form(manifest, form, count)) for count in THREADS]


def measure_stock_conversions(
    refiner: Refiner, folder: Path, base: int, networks: dict[tuple[str, str], Network]
) -> list[Cost]:
    """Try the conversions of `stock_conversion`, each in a process of its own: some kill it.

    Args:
        refiner: Refiner, in Keras, loaded from a folder.
        folder: folder for the files.
        base: bytes that a process takes before it opens anything.
        networks: by form and threads; those that were converted are added.
    """
    from .stock_conversion import CONVERSIONS  # imports TensorFlow, which `main` does quietly

    layout, source = refiner.network.layout, str(refiner.folder)
    windows = synthetic_activity(WINDOWS, FRAMES, layout.inputs)
    expected = refiner.network(windows)
    found = []
    for name in CONVERSIONS:
        file = folder / f"{name}.tflite"
        done = run_function("stock_conversion", "convert", source, name, str(file))
        if done.returncode:
            found.append(Cost(name, error=describe_failure(done)))
            continue
        cost = Cost(name, 1, file.stat().st_size, float(done.stdout.split()[-1]))
        cost.memory_bytes = measure_peak(source, "file", str(file)) - base
        for count in THREADS:
            networks[name, str(count)] = network = open_window_graph(file, layout, count)
            cost.worst = Parity.from_outputs(network(windows), expected).worst
        found.append(cost)
    return found


def as_rich(costs: Iterable[Cost], title: str) -> Table:
    """Costs, a row each, for a terminal."""
    shown = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column("form", no_wrap=True)
    for name in ("files", "bytes", "s", "ms", "p99", "ms, 2", "µs", "p99", "×", "MB"):
        shown.add_column(name, justify="right")
    for cost in costs:
        if cost.error is not None:
            continue
        step, both = cost.step.get("1"), cost.frames.get("2")
        shown.add_row(
            cost.form,
            str(cost.files),
            f"{cost.bytes:,}",
            "" if cost.conversion_seconds is None else f"{cost.conversion_seconds:.1f}",
            f"{cost.single_thread.median_ms:.2f}",
            f"{cost.single_thread.p99_ms:.1f}",
            "" if both is None else f"{both.median_ms:.2f}",
            "" if step is None else f"{1e3 * step.median_ms:.0f}",
            "" if step is None else f"{1e3 * step.p99_ms:.0f}",
            "" if cost.faster is None else f"{cost.faster:.1f}",
            "" if cost.memory_bytes is None else f"{cost.memory_bytes / 1e6:.1f}",
        )
    return shown


@app.command()
def main(
    refiner: Annotated[str, typer.Argument(help="Name of a shipped refiner, or its folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure every form of a refiner, beside conversions that a user would try."""
    terminal.import_tensorflow_quietly()
    trained = load(refiner)
    forms, tried = measure(trained)
    cores = cpu_count()
    if as_json:
        terminal.print_json(
            {
                "refiner": str(trained.folder),
                "cores": cores,
                "frames": FRAMES,
                "forms": [asdict(cost) for cost in forms],
                "stock_conversions": [asdict(cost) for cost in tried],
            }
        )
        return
    terminal.stdout.print(as_rich(forms, "exported"))
    terminal.stdout.print(as_rich(tried, "what a user would try"))
    terminal.print_lines(
        [
            *(f"{cost.form}: {cost.error}" for cost in tried if cost.error is not None),
            f"{trained.folder}, on {cores} of the processor's cores. s: to convert; ms and p99:"
            f" {FRAMES} frames with one thread, or as many as the runtime takes; ms, 2: with two;"
            f" µs and p99: a streaming step; ×: how many times faster than {REFERENCE}; MB: memory",
        ]
    )


if __name__ == "__main__":
    terminal.run(app)
