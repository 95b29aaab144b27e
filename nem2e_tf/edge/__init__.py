"""Refining with NumPy and LiteRT alone: no TensorFlow, no OpenSim, no pandas.

    refiner = nem2e_tf.edge.load("saved_models/walking", "tflite-int8")
    envelopes = refiner.refine(activity)

Nothing in here imports anything of the package outside it but `nem2e_tf.errors`.
"""

from nem2e_tf.edge.refiner import EdgeRefiner, load
from nem2e_tf.edge.stream import StreamingRefiner

__all__ = ["EdgeRefiner", "StreamingRefiner", "load"]
