"""A fitted network with its card: load it, refine with it, save it.

Its uses are in the modules `stream`, `intervals`, `familiarity`, `personalise`,
`distortion`, `runtimes` and `trust`. TensorFlow is loaded when a runtime needs it.
"""

from nem2e_tf.refiner.card import CARD, Card, Source, versions
from nem2e_tf.refiner.refiner import Refiner, load, save

__all__ = [
    "CARD",
    "Card",
    "Refiner",
    "Source",
    "load",
    "save",
    "versions",
]
