"""NEM2E: muscle activity from human motion, refined by a sequence-to-sequence network.

import nem2e_tf

refiner = nem2e_tf.load("walking")
envelopes = refiner.refine(simulated)
"""

import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    from nem2e_tf.edge import StreamingRefiner
    from nem2e_tf.refiner import Refiner

__version__ = "0.1.0"
__all__ = ["StreamingRefiner", "load"]


def load(refiner: "str | os.PathLike[str]", runtime: str = "keras") -> "Refiner":
    """Load a shipped refiner by name, or one from a folder; see `nem2e_tf.refiner.load`.

    Where NumPy and LiteRT are all that is installed, the runtimes `tflite` and `tflite-int8` give a
    `nem2e_tf.edge.EdgeRefiner`, which refines NumPy arrays.
    """
    if importlib.util.find_spec("pandas") is None:
        from nem2e_tf import edge

        light: Any = edge.load(refiner, runtime)
        return light
    from nem2e_tf.refiner import load

    return load(refiner, runtime)


def __getattr__(name: str) -> Any:
    if name == "StreamingRefiner":
        from nem2e_tf.edge import StreamingRefiner

        return StreamingRefiner
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
