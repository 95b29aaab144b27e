"""NEM2E: muscle activity from human motion, refined by a sequence-to-sequence network.

import nem2e_tf

refiner = nem2e_tf.load("walking")
envelopes = refiner.refine(simulated)
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from nem2e_tf.refiner import Refiner

__version__ = "0.1.0"
__all__ = ["load"]


def load(refiner: "str | os.PathLike[str]") -> "Refiner":
    """Load a shipped refiner by name, or one from a folder; see `nem2e_tf.refiner.load`."""
    from nem2e_tf.refiner import load

    return load(refiner)
