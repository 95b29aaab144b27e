"""What every form of a refiner costs: `python -m export.benchmark walking`.

Measured for each: bytes and files; seconds to convert it again; time for 100 frames and for one
streaming step (`forward_step` and `decode_step`), with one and two threads where the runtime has
threads; and memory. Beside them stand the conversions that a user would try, `export.naive`, of the
same network.

All calls are timed in turn, so that what else the machine does slows all of them alike. Processor
time is given too: other programs do not lengthen it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Annotated, Any

import numpy as np
import typer
from joblib import cpu_count
from rich.box import SIMPLE_HEAD
from rich.table import Table

from nem2e_tf.cli import terminal
from nem2e_tf.edge import Manifest, Network, StepNetwork
from nem2e_tf.refiner import Refiner, load
from nem2e_tf.refiner.runtimes import WEIGHTS

from . import onnx, savedmodel, tflite
from .forms import Parity
from .memory import FRAMES, complaint, peak, run
from .networks import open_form, open_whole
from .windows import synthetic_activity

THREADS = (1, 2)
ROUNDS, IN_A_ROW = 40, 5
"""How often every call is timed: so many rounds over all of them, so many times in each."""
REFERENCE = "while"
"""The naive conversion that latencies are compared with."""
WINDOWS = 20
"""Synthetic ones, on which naive conversions are compared with Keras."""

app = terminal.application("Measure what every form of a refiner costs.")


@dataclass(frozen=True)
class Latency:
    """Milliseconds that a call takes.

    Args:
        median_ms: by the clock.
        p99_ms: 99th percentile, by the clock.
        processor_ms: median of the processor time of all its threads.
    """

    median_ms: float
    p99_ms: float
    processor_ms: float


@dataclass
class Cost:
    """What a form costs.

    Args:
        form: as in the manifest, `keras` or one of `export.naive.CONVERSIONS`.
        files: how many.
        bytes: of all of them.
        conversion_seconds: None of what is not converted.
        memory_bytes: see `export.memory`.
        frames: by threads, latency of 100 frames; `-` where the runtime decides itself.
        step: by threads, latency of a streaming step; empty where there is none.
        faster: median latency of `REFERENCE` for 100 frames over the form's, with one thread.
        worst: largest difference from Keras; of naive conversions only.
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
    def alone(self) -> Latency:
        """Of 100 frames with one thread, or as the runtime has it."""
        return next(iter(self.frames.values()))


def timed(calls: Mapping[Any, Callable[[], Any]], rounds: int = ROUNDS) -> dict[Any, Latency]:
    """Time calls in turn."""
    seconds: dict[Any, list[tuple[float, float]]] = {key: [] for key in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for key, call in calls.items():
            # The first finds the caches as another call left them.
            call()
            for _ in range(IN_A_ROW):
                clock, processor = perf_counter(), process_time()
                call()
                seconds[key].append((perf_counter() - clock, process_time() - processor))
    found = {}
    for key, each in seconds.items():
        clocks, processors = 1e3 * np.array(each).T
        found[key] = Latency(
            float(np.median(clocks)), float(np.quantile(clocks, 0.99)), float(np.median(processors))
        )
    return found


def of_a_window(network: Network) -> Callable[[], Any]:
    """A call that refines 100 frames."""
    window = synthetic_activity(1, FRAMES, network.layout.inputs)
    return lambda: network(window)


def of_a_step(network: StepNetwork) -> Callable[[], Any]:
    """A call that takes a step into the encoder and another out of the decoder."""
    layout, seen = network.layout, network.before + 1 + network.after
    frames = np.full((1, layout.frames * layout.inputs), 0.1, np.float32)
    directions = 1 if layout.causal else 2
    encoded = np.zeros((seen, directions * layout.encoder_units), np.float32)
    keys = np.zeros((seen, layout.attention_units), np.float32)
    beyond = np.zeros((1, seen), np.float32)
    encode, decode = network.encoder(), network.decoder(encoded[:1])

    def step() -> None:
        encode(frames)
        decode(encoded, keys, beyond)

    return step


def conversions(refiner: Refiner) -> dict[str, float]:
    """Seconds that every form takes to convert, calibration included, by form."""
    taken = {}
    for room in (savedmodel, onnx, tflite):
        for recipe in room.RECIPES:
            with TemporaryDirectory() as folder:
                start = perf_counter()
                for form in room.forms(refiner, [recipe]):
                    form.write(Path(folder))
                    taken[form.name] = perf_counter() - start
    return taken


def measure(refiner: Refiner, rounds: int = ROUNDS) -> tuple[list[Cost], list[Cost]]:
    """Measure every form that was exported, and every naive conversion.

    Args:
        refiner: Refiner, in Keras, loaded from a folder.
        rounds: see `timed`.
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
        for threads, network in _opened(refiner, manifest, cost.form)
    }
    seconds, base = conversions(refiner), peak()
    for cost in costs:
        cost.conversion_seconds = seconds.get(cost.form)
        cost.memory_bytes = peak(str(folder), cost.form) - base
    with TemporaryDirectory() as temporary:
        tried = naive(refiner, Path(temporary), base, networks)
        frames = {key: of_a_window(network) for key, network in networks.items()}
        steps = {
            key: of_a_step(network)
            for key, network in networks.items()
            if isinstance(network, StepNetwork)
        }
        latency, of_steps = timed(frames, rounds), timed(steps, rounds)
    for cost in (*costs, *tried):
        cost.frames = {threads: x for (form, threads), x in latency.items() if form == cost.form}
        cost.step = {threads: x for (form, threads), x in of_steps.items() if form == cost.form}
    known = {cost.form: cost for cost in (*costs, *tried) if cost.frames}
    if REFERENCE in known:
        for cost in known.values():
            cost.faster = known[REFERENCE].alone.median_ms / cost.alone.median_ms
    return costs, tried


def _opened(refiner: Refiner, manifest: Manifest, form: str) -> Iterable[tuple[str, Network]]:
    """A form's network by the number of its threads."""
    if form == "keras":
        return [("-", refiner.network)]
    if form == "savedmodel":
        return [("-", open_form(manifest, form))]
    return [(str(count), open_form(manifest, form, count)) for count in THREADS]


def naive(
    refiner: Refiner, made: Path, base: int, networks: dict[tuple[str, str], Network]
) -> list[Cost]:
    """Try the conversions of `export.naive`, each in a process of its own: some kill it.

    Args:
        refiner: Refiner, in Keras, loaded from a folder.
        made: folder for the files.
        base: bytes that a process takes before it opens anything.
        networks: by form and threads; those that were converted are added.
    """
    from .naive import CONVERSIONS  # takes TensorFlow, which `main` imports quietly

    layout, folder = refiner.network.layout, str(refiner.folder)
    windows = synthetic_activity(WINDOWS, FRAMES, layout.inputs)
    expected = refiner.network(windows)
    found = []
    for name in CONVERSIONS:
        file = made / f"{name}.tflite"
        done = run("-m", "export.naive", folder, name, str(file))
        if done.returncode:
            found.append(Cost(name, error=complaint(done)))
            continue
        cost = Cost(name, 1, file.stat().st_size, float(done.stdout.split()[-1]))
        cost.memory_bytes = peak(folder, "file", str(file)) - base
        for count in THREADS:
            networks[name, str(count)] = network = open_whole(file, layout, count)
            cost.worst = Parity.of(network(windows), expected).worst
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
            f"{cost.alone.median_ms:.2f}",
            f"{cost.alone.p99_ms:.1f}",
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
    terminal.quiet_tensorflow()
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
                "naive": [asdict(cost) for cost in tried],
            }
        )
        return
    terminal.screen.print(as_rich(forms, "exported"))
    terminal.screen.print(as_rich(tried, "what a user would try"))
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
