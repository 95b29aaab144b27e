"""Whether every form of a refiner gives what Keras gives: `nem2e verify walking`.

All forms run on the same windows, of real recordings where they are at hand and of virtual people,
none of which a fit has seen. TensorFlow Lite runs in LiteRT with XNNPACK and with LiteRT's own
kernels, and `tflite/int8` with those of microcontrollers too, where tflite-micro is installed.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from nem2e_tf.cli import terminal
from nem2e_tf.edge import Manifest, Network, Signals, StepNetwork, refiner_folder
from nem2e_tf.refiner import CARD, Card, Refiner, load
from nem2e_tf.signals import root_mean_square_error

from . import command, micro
from .command import RUNTIMES, require_packages
from .forms import EXACT, ROOT_MEAN_SQUARE, WORST, Parity, fitted_tasks
from .micro import TFLiteMicro
from .networks import open_form
from .windows import Windows, unseen_windows

XNNPACK, BUILT_IN, MICRO = "XNNPACK", "built-in", "micro"
"""Kernels that run TensorFlow Lite: the last are those of microcontrollers."""


@dataclass(frozen=True)
class Subject:
    """A form in a runtime.

    Args:
        form: as in the manifest.
        kernels: what runs TensorFlow Lite; None of other forms.
        exact: whether it must equal Keras to `EXACT`.
        network: Network.
        arenas: by graph, bytes of memory that a microcontroller needs; None elsewhere.
    """

    form: str
    kernels: str | None
    exact: bool
    network: Network
    arenas: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Verdict:
    """How a form does beside Keras.

    Args:
        form: see `Subject`.
        kernels: see `Subject`.
        exact: see `Subject`.
        parity: with Keras, over all windows.
        within: whether that is within the bounds of its kind.
        repeatable: whether a window gives the same bits again, whatever ran in between.
        rmse: by kind of data and muscle, what the root mean square error against measured EMG is
            with Keras (`keras`) and more with the form (`change`).
        arenas: see `Subject`.
    """

    form: str
    kernels: str | None
    exact: bool
    parity: Parity
    within: bool
    repeatable: bool
    rmse: dict[str, dict[str, dict[str, float]]]
    arenas: Mapping[str, int] | None

    @property
    def passed(self) -> bool:
        """Whether it may be used in place of Keras."""
        return self.within and self.repeatable

    @property
    def failure(self) -> str:
        """What is wrong with it, in a line."""
        name = f"{self.form}, {self.kernels} kernels" if self.kernels else self.form
        if self.within:
            return f"{name} does not give the same bits for the same window"
        bounds = f"{EXACT:g}" if self.exact else f"{ROOT_MEAN_SQUARE:g} on average or {WORST:g}"
        return f"{name} is out of bounds: it differs from Keras by more than {bounds} anywhere"

    @property
    def largest_changes(self) -> dict[str, float]:
        """By kind of data, the change in the root mean square error that is furthest from none."""
        return {
            kind: max((of["change"] for of in muscles.values()), key=abs)
            for kind, muscles in self.rmse.items()
        }


def open_subjects(manifest: Manifest) -> list[Subject]:
    """All that there is to compare; `InputError` where a file is not what was exported."""
    found = []
    for form, table in sorted(manifest.forms.items()):
        exact = table["recipe"] == "float32"
        if not form.startswith("tflite/"):
            found.append(Subject(form, None, exact, open_form(manifest, form)))
            continue
        for kernels in (XNNPACK, BUILT_IN):
            network = open_form(manifest, form, xnnpack=kernels == XNNPACK)
            found.append(Subject(form, kernels, exact, network))
        if form == micro.FORM and importlib.util.find_spec("tflite_micro") is not None:
            graphs = TFLiteMicro(manifest)
            network = StepNetwork(manifest.layout, graphs)
            found.append(Subject(form, MICRO, exact, network, graphs.arenas))
    return found


def verify(
    refiner: Refiner,
    among: list[Subject],
    windows: Windows,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Verdict]:
    """Compare forms of a refiner with its Keras model.

    Args:
        refiner: Refiner, in Keras.
        among: Subject.
        windows: what they are compared on.
        progress: called with subjects done and in all.
    """
    expected = refiner.network(windows.simulated)
    verdicts = []
    for i, subject in enumerate(among):
        progress(i, len(among))
        found = _run_singly(subject.network, windows.simulated)
        parity = Parity.from_outputs(found, expected)
        verdicts.append(
            Verdict(
                subject.form,
                subject.kernels,
                subject.exact,
                parity,
                # Not `worst > EXACT`: a NaN must fail too.
                parity.worst <= EXACT if subject.exact else parity.within,
                _is_repeatable(subject.network, windows.simulated, found),
                emg_errors(windows, refiner.signals, expected, found),
                subject.arenas,
            )
        )
    return verdicts


def _run_singly(network: Network, simulated: np.ndarray) -> np.ndarray:
    """Window by window: in a batch, the last bit of a product may depend on its place."""
    return np.concatenate([network(window[None]) for window in simulated])


def _is_repeatable(network: Network, simulated: np.ndarray, found: np.ndarray) -> bool:
    """Whether all windows, twice each and in another order, give the same bits again."""
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(len(simulated)), 2))
    return np.array_equal(_run_singly(network, simulated[order]), found[order])


def emg_errors(
    windows: Windows, signals: Signals, expected: np.ndarray, found: np.ndarray
) -> dict[str, dict[str, dict[str, float]]]:
    """See `Verdict.rmse`.

    Args:
        windows: Windows.
        signals: of the refiner.
        expected: `(windows, frames, outputs)`, what Keras gives, in shares of the outputs' maxima.
        found: the same, of a form.
    """
    kinds = {
        "real": (~windows.synthetic, signals.output_maximum),
        "virtual": (windows.synthetic, np.ones_like(signals.output_maximum)),
    }
    table = {}
    for kind, (mask, unit) in kinds.items():
        if not mask.any():
            continue
        measured = windows.measured[mask].reshape(-1, len(unit))
        keras, form = (
            root_mean_square_error(measured, outputs[mask].reshape(measured.shape) * unit)
            for outputs in (expected, found)
        )
        table[kind] = {
            muscle: {"keras": float(of_keras), "change": float(of_form - of_keras)}
            for muscle, of_keras, of_form in zip(signals.outputs, keras, form, strict=True)
        }
    return table


def as_rich(verdicts: list[Verdict]) -> Table:
    """Verdicts, a row each, for a terminal."""
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("form", "kernels"):
        shown.add_column(name, no_wrap=True)
    kinds = list(verdicts[0].rmse)
    for name in ("rms", "worst", *kinds, "arena", ""):
        shown.add_column(name, justify="right")
    for verdict in verdicts:
        changes = verdict.largest_changes
        shown.add_row(
            verdict.form,
            verdict.kernels or "",
            f"{verdict.parity.rms:.1e}",
            f"{verdict.parity.worst:.1e}",
            *(f"{changes[kind]:+.0e}" for kind in kinds),
            f"{sum(verdict.arenas.values()):,}" if verdict.arenas else "",
            "good" if verdict.passed else "bad",
        )
    return shown


def as_table(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain tables."""
    arenas = verdict.arenas and {**verdict.arenas, "all": sum(verdict.arenas.values())}
    return {**asdict(verdict), "arenas": arenas, "passed": verdict.passed}


def run(name: str, as_json: bool) -> None:
    """Compare the forms of a refiner, print what was found; exit status 1 if one is out of bounds.

    Args:
        name: of a shipped refiner, or a refiner's folder.
        as_json: whether to print one JSON object.
    """
    # What can be refused is refused before TensorFlow is loaded.
    folder = refiner_folder(name)
    Card.read(folder / CARD)
    manifest = Manifest.read(folder)
    require_packages((form.partition("/")[0] for form in manifest.forms), RUNTIMES)
    terminal.import_tensorflow_quietly()
    trained = load(name)
    among = open_subjects(manifest)
    windows = unseen_windows(trained.signals, fitted_tasks(trained))
    with terminal.progress_bar("comparing forms") as progress:
        verdicts = verify(trained, among, windows, progress)
    if as_json:
        terminal.print_json(
            {
                "refiner": str(trained.folder),
                "windows": windows.describe(),
                "bounds": {"exact": EXACT, "rms": ROOT_MEAN_SQUARE, "worst": WORST},
                "forms": [as_table(verdict) for verdict in verdicts],
            }
        )
    else:
        terminal.stdout.print(as_rich(verdicts))
        terminal.print_lines(
            [
                f"{trained.folder} beside Keras, windows: {windows.describe()}. rms, worst: of"
                f" outputs, 0-1; {' and '.join(verdicts[0].rmse)}: change in the RMSE against"
                " measured EMG, of the muscle where it is largest; arena: bytes"
            ]
        )
    terminal.print_warnings(verdict.failure for verdict in verdicts if not verdict.passed)
    if micro.FORM in manifest.forms and not any(v.kernels == MICRO for v in verdicts):
        note = f"tflite-micro is not installed: {micro.FORM} did not run with its kernels"
        terminal.print_warnings([], [note])
    if not all(verdict.passed for verdict in verdicts):
        raise typer.Exit(1)


if __name__ == "__main__":
    terminal.run_command(command.verify)
