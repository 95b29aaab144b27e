"""Losses that add to the squared error something of the shape of an envelope.

Each takes `(batch, frames, muscles)`, measured and estimated, to `(batch, frames)`. What is added
is weighted so that at the end of a fit it is of the size of the squared error.
"""

from typing import Any

import keras

CORRELATION = 0.05
DERIVATIVE = 20.0
"""Of what changes by a muscle's maximum within a frame, squared."""


def squared_error_and_correlation(measured: Any, estimated: Any) -> Any:
    """And 1 - r (Pearson), over a window and for each muscle."""
    squared = keras.losses.mean_squared_error(measured, estimated)
    centred = [x - keras.ops.mean(x, axis=1, keepdims=True) for x in (measured, estimated)]
    norms = [keras.ops.sqrt(keras.ops.sum(x * x, axis=1) + keras.config.epsilon()) for x in centred]
    r = keras.ops.sum(centred[0] * centred[1], axis=1) / (norms[0] * norms[1])
    return squared + CORRELATION * keras.ops.mean(1.0 - r, axis=-1, keepdims=True)


def squared_error_and_derivative(measured: Any, estimated: Any) -> Any:
    """And the squared error of the change from frame to frame; none before the first."""
    squared = keras.losses.mean_squared_error(measured, estimated)
    derivatives = [keras.ops.diff(x, axis=1) for x in (measured, estimated)]
    derivative_error = keras.losses.mean_squared_error(*derivatives)
    return squared + DERIVATIVE * keras.ops.pad(derivative_error, [[0, 0], [1, 0]])


LOSSES = {
    loss.__name__: loss for loss in (squared_error_and_correlation, squared_error_and_derivative)
}
