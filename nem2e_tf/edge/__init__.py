"""Refining with NumPy and LiteRT alone: no TensorFlow, no OpenSim, no pandas.

    refiner = nem2e_tf.edge.load("saved_models/walking", "tflite-int8")
    envelopes = refiner.refine(activity)

This package imports nothing of `nem2e_tf` but `nem2e_tf.errors`.
"""

from nem2e_tf.edge.layout import (
    LARGEST_RATE,
    LARGEST_SIZE,
    LONGEST_WINDOW,
    Layout,
    Network,
    Signals,
)
from nem2e_tf.edge.litert import LiteRT, TensorPort
from nem2e_tf.edge.manifest import MANIFEST, Manifest, refiner_folder, sha256, shipped_refiners
from nem2e_tf.edge.refiner import (
    RUNTIMES,
    EdgeRefiner,
    find_invalid_activity,
    load,
    load_step_network,
)
from nem2e_tf.edge.steps import OUTSIDE_BIAS, PADDING, StepNetwork
from nem2e_tf.edge.stream import StreamingRefiner
from nem2e_tf.edge.windows import refine_recording

__all__ = [
    "LARGEST_RATE",
    "LARGEST_SIZE",
    "LONGEST_WINDOW",
    "MANIFEST",
    "OUTSIDE_BIAS",
    "PADDING",
    "RUNTIMES",
    "EdgeRefiner",
    "Layout",
    "LiteRT",
    "Manifest",
    "Network",
    "Signals",
    "StepNetwork",
    "StreamingRefiner",
    "TensorPort",
    "find_invalid_activity",
    "load",
    "load_step_network",
    "refine_recording",
    "refiner_folder",
    "sha256",
    "shipped_refiners",
]

# Former names, kept for one version.
shipped = shipped_refiners
