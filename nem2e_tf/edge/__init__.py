"""Refining with NumPy and LiteRT alone: no TensorFlow, no OpenSim, no pandas.

    refiner = nem2e_tf.edge.load("saved_models/walking", "tflite-int8")
    envelopes = refiner.refine(activity)

Nothing in here imports anything of the package outside it but `nem2e_tf.errors`.
"""

from nem2e_tf.edge.layout import (
    LARGEST_RATE,
    LARGEST_SIZE,
    LONGEST_WINDOW,
    Layout,
    Network,
    Signals,
)
from nem2e_tf.edge.litert import Border, LiteRT
from nem2e_tf.edge.manifest import MANIFEST, Manifest, refiner_folder, sha256, shipped
from nem2e_tf.edge.refiner import RUNTIMES, EdgeRefiner, load, outside, step_network
from nem2e_tf.edge.steps import BEYOND, PADDING, StepNetwork
from nem2e_tf.edge.stream import StreamingRefiner

__all__ = [
    "BEYOND",
    "LARGEST_RATE",
    "LARGEST_SIZE",
    "LONGEST_WINDOW",
    "MANIFEST",
    "PADDING",
    "RUNTIMES",
    "Border",
    "EdgeRefiner",
    "Layout",
    "LiteRT",
    "Manifest",
    "Network",
    "Signals",
    "StepNetwork",
    "StreamingRefiner",
    "load",
    "outside",
    "refiner_folder",
    "sha256",
    "shipped",
    "step_network",
]
