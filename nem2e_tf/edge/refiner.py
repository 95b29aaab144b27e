"""A refiner of NumPy arrays, run by LiteRT."""

import json
import os
from pathlib import Path

import numpy as np

from nem2e_tf.edge.layout import Signals
from nem2e_tf.edge.litert import LiteRT
from nem2e_tf.edge.manifest import Manifest, refiner_folder
from nem2e_tf.edge.steps import GRAPHS, StepNetwork
from nem2e_tf.edge.windows import refine_recording
from nem2e_tf.errors import InputError, suggest_name

RUNTIMES = {"tflite": "tflite/float32", "tflite-int8": "tflite/int8"}
"""Exported forms by the name of their runtime."""


class EdgeRefiner:
    """A trained refiner for NumPy arrays.

    Args:
        signals: Signals.
        network: StepNetwork.
        name: of the refiner's folder.
        runtime: what runs the network, as for `load`.
    """

    def __init__(
        self, signals: Signals, network: StepNetwork, name: str = "", runtime: str = ""
    ) -> None:
        self.signals = signals
        self.network = network
        self.name = name
        self.runtime = runtime

    def __repr__(self) -> str:
        facts = f"window {self.signals.window:g} s", f"runtime {self.runtime}"
        return self.signals.describe(f"EdgeRefiner '{self.name}'", *facts)

    def refine(self, activity: np.ndarray) -> np.ndarray:
        """Refine simulated muscle activity into EMG envelopes.

        Args:
            activity: `(frames, inputs)`, activations 0-1 at the refiner's rate, a column for each
                of `signals.inputs`.

        Returns:
            `(frames, outputs)` envelopes, a column for each of `signals.outputs`.

        Raises:
            InputError: other columns, no frames, or activity that is not 0-1.
        """
        activity, signals = np.asarray(activity, float), self.signals
        if activity.ndim != 2 or activity.shape[1] != len(signals.inputs) or not len(activity):
            raise InputError(
                f"activity of shape {activity.shape}; wanted (frames, {len(signals.inputs)}), the"
                f" columns {', '.join(signals.inputs)}"
            )
        check_activity(activity, signals.inputs)
        window = round(signals.window * signals.rate)
        return refine_recording(self.network, activity / signals.input_maximum, window) * (
            signals.output_maximum
        )

    def step_network(self) -> StepNetwork:
        """The network step by step, for a stream."""
        return self.network


def load(refiner: str | os.PathLike[str], runtime: str = "tflite", threads: int = 1) -> EdgeRefiner:
    """Load a refiner that was exported as TensorFlow Lite.

    Args:
        refiner: str or path. The name of a shipped refiner, or a refiner's folder.
        runtime: str. `tflite` or `tflite-int8`.
        threads: int. Number of threads.

    Raises:
        InputError: there is no such refiner, it was not exported, or LiteRT is not installed.
    """
    if runtime not in RUNTIMES:
        raise InputError(f"there is no runtime '{runtime}'; {suggest_name(runtime, RUNTIMES)}")
    folder = refiner_folder(refiner)
    signals, network = read_signals(folder), load_step_network(folder, runtime, threads)
    layout = network.layout
    if (layout.inputs, layout.outputs) != (len(signals.inputs), len(signals.outputs)):
        raise InputError(
            f"{folder}: the network has {layout.inputs} inputs and {layout.outputs} outputs, the"
            f" card {len(signals.inputs)} and {len(signals.outputs)}"
        )
    return EdgeRefiner(signals, network, folder.name, runtime)


def load_step_network(folder: Path, runtime: str, threads: int = 1) -> StepNetwork:
    """Load the network of a refiner's folder in LiteRT."""
    manifest = Manifest.read(folder)
    files = manifest.files(RUNTIMES[runtime])
    expected = set(GRAPHS) - ({"backward_step"} if manifest.layout.causal else set())
    if expected != set(files):
        raise InputError(
            f"{folder}: {RUNTIMES[runtime]} has the graphs {', '.join(sorted(files)) or 'none'};"
            f" wanted {', '.join(sorted(expected))}"
        )
    return StepNetwork(manifest.layout, LiteRT(files, threads))


def read_signals(folder: Path) -> Signals:
    """Read the signals from a refiner's card; `InputError` if it is missing or wrong."""
    path = folder / "card.json"
    try:
        return Signals.from_card(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise InputError(f"{folder}: no card.json in this folder; it is not a refiner") from None
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{path}: not a refiner's card: {detail}") from None


def check_activity(
    activity: np.ndarray,
    names: "tuple[str, ...] | list[str]",
    source: str = "activity",
    start: int = 0,
) -> None:
    """Raise `InputError` for the first value of `(frames, channels)` that is not 0-1."""
    position = find_invalid_activity(activity)
    if position is not None:
        row, column = position
        raise InputError(
            f"{source}: '{names[column]}' is {activity[row, column]:g} in frame {start + row};"
            " simulated activity is 0-1"
        )


def find_invalid_activity(activity: np.ndarray) -> tuple[int, int] | None:
    """Row and column of the first value that is not 0-1; None if all are."""
    # Solvers may exceed their bounds by rounding; per cent or joint moments exceed them by more.
    is_invalid = ~((activity >= -1e-6) & (activity <= 1.001))
    if not is_invalid.any():
        return None
    row, column = (int(i) for i in np.argwhere(is_invalid)[0])
    return row, column
