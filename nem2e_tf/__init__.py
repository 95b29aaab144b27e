"""NEM2E: muscle activity from human motion, refined by a sequence-to-sequence network.

In one call:

    import nem2e_tf

    result = nem2e_tf.estimate(model="gait2392.osim", motion="ik.mot", moments="id.sto")

In two steps:

    simulated = nem2e_tf.simulate("gait2392.osim", "ik.mot", "id.sto")
    envelopes = nem2e_tf.load("walking").refine(simulated)

Time series are `pandas.DataFrame`s with an index `time` in seconds. What is heavy (TensorFlow,
OpenSim, pandas) is imported when it is first used.
"""

import importlib
import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from nem2e_tf.edge import StreamingRefiner
    from nem2e_tf.errors import InputError
    from nem2e_tf.network.stdr_net import stdr_net
    from nem2e_tf.refiner import Refiner
    from nem2e_tf.simulation import simulate_files as simulate
    from nem2e_tf.study.one_recording import estimate

__version__ = "0.1.0"
__all__ = [
    "InputError",
    "Refiner",
    "StreamingRefiner",
    "estimate",
    "load",
    "simulate",
    "stdr_net",
]

_PLACES = {
    "InputError": ("nem2e_tf.errors", "InputError"),
    "Refiner": ("nem2e_tf.refiner", "Refiner"),
    "StreamingRefiner": ("nem2e_tf.edge", "StreamingRefiner"),
    "estimate": ("nem2e_tf.study.one_recording", "estimate"),
    "simulate": ("nem2e_tf.simulation", "simulate_files"),
    "stdr_net": ("nem2e_tf.network.stdr_net", "stdr_net"),
}
"""Module and name of what is imported when it is first used."""


def load(refiner: "str | os.PathLike[str]", runtime: str = "keras") -> "Refiner":
    """Load a refiner.

    Args:
        refiner: str or path. The name of a shipped refiner (`walking`, `running`, `gait`,
            `stream`), or a folder that holds `refiner.keras` and `card.json`. A name wins over a
            folder of that name; write `./walking` for the folder.
        runtime: str. What runs the network: `keras`, or, of a refiner that was exported,
            `savedmodel`, `tflite`, `tflite-int8` or `onnx`.

    Returns:
        Refiner. Its `refine` takes simulated activity, `(rows, columns)` activations 0-1, and gives
        envelopes, `(frames, muscles)` at 100 Hz. Where NumPy and LiteRT are all that is installed,
        a `nem2e_tf.edge.EdgeRefiner`, which does the same with NumPy arrays.

    Raises:
        InputError: there is no such refiner, its card or network cannot be read, or there is no
            such runtime.

    Example:

        refiner = nem2e_tf.load("walking")
        envelopes = refiner.refine(simulated)
    """
    if importlib.util.find_spec("pandas") is None:
        from nem2e_tf import edge

        light: Any = edge.load(refiner, runtime)
        return light
    from nem2e_tf.refiner import load

    return load(refiner, runtime)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    module, attribute = _PLACES[name]
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if (error.name or "nem2e_tf").partition(".")[0] == "nem2e_tf":
            raise
        raise ImportError(
            f"nem2e_tf.{name} needs {error.name}, which is not installed; install what nem2e-tf"
            " depends on: pip install nem2e-tf"
        ) from None
    globals()[name] = found
    return found


_FORMER = {
    "files": "c3d documents force_plates locks markers paths trc trials",
    "signals": "agreement bursts emg emg_faults emg_session gait metrics muscles",
    "network": "baselines decoder decoding stdr_net step_graphs",
    "pipeline": "preparation shards",
    "refiner": "distortion familiarity intervals personalise runtimes stream trust",
    "report": "distortion_plot facts plots result",
    "study": "estimation summary",
    "datasets": "conversion download registry",
}
"""By package, modules that lay beside the packages in the version before; kept for one version."""


class _FormerModules(MetaPathFinder, Loader):
    """Imports a module by its former name, such as `nem2e_tf.muscles`, with a warning."""

    def __init__(self) -> None:
        self.new = {
            f"{__name__}.{name}": f"{__name__}.{package}.{name}"
            for package, names in _FORMER.items()
            for name in names.split()
        } | {f"{__name__}.dataset": f"{__name__}.pipeline.windows"}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> "ModuleSpec | None":
        return importlib.util.spec_from_loader(name, self) if name in self.new else None

    def create_module(self, spec: "ModuleSpec") -> "ModuleType":
        import warnings

        new = self.new[spec.name]
        message = f"{spec.name} is now {new}; the former name goes with the next version"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        module = importlib.import_module(new)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: "ModuleType") -> None:
        module.__spec__ = self.spec  # it was run by its present name, and keeps that


sys.meta_path.append(_FormerModules())


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
