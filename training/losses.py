"""Losses that add a term for the shape of an envelope to the squared error.

Each takes `(batch, frames, muscles)`, measured and estimated, to `(batch, frames)`. The weight of
the term makes it as large as the squared error at the end of a fit.
"""

from typing import Any

import keras

CORRELATION = 0.05
DERIVATIVE = 20.0
"""Weight of the squared change from frame to frame."""


def squared_error_and_correlation(measured: Any, estimated: Any) -> Any:
    """Squared error and 1 - r (Pearson), over a window and for each muscle."""
    squared = keras.losses.mean_squared_error(measured, estimated)
    centred = [x - keras.ops.mean(x, axis=1, keepdims=True) for x in (measured, estimated)]
    norms = [keras.ops.sqrt(keras.ops.sum(x * x, axis=1) + keras.config.epsilon()) for x in centred]
    r = keras.ops.sum(centred[0] * centred[1], axis=1) / (norms[0] * norms[1])
    return squared + CORRELATION * keras.ops.mean(1.0 - r, axis=-1, keepdims=True)


def squared_error_and_derivative(measured: Any, estimated: Any) -> Any:
    """Squared error, and that of the change from frame to frame, which is 0 in the first frame."""
    squared = keras.losses.mean_squared_error(measured, estimated)
    derivatives = [keras.ops.diff(x, axis=1) for x in (measured, estimated)]
    derivative_error = keras.losses.mean_squared_error(*derivatives)
    return squared + DERIVATIVE * keras.ops.pad(derivative_error, [[0, 0], [1, 0]])


LOSSES = {
    loss.__name__: loss for loss in (squared_error_and_correlation, squared_error_and_derivative)
}
