"""Checks of samples that every reader of a time series needs."""

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError


def check_finite(frame: pd.DataFrame, source: str, kind: str = "column") -> None:
    """Raise `InputError` where a value is not a finite number, with its column and its time.

    Args:
        frame: `(rows, columns)` numbers, index `time` in seconds.
        source: str. The file, for the message.
        kind: str. What the file calls a column.
    """
    bad = ~np.isfinite(frame.to_numpy(dtype=float))
    if not bad.any():
        return
    row, column = (int(place) for place in np.argwhere(bad)[0])
    count = int(bad[:, column].sum())
    raise InputError(
        f"{source}: {kind} '{frame.columns[column]}' has no number at time"
        f" {frame.index[row]:g} s ({count} such row{'s' if count > 1 else ''});"
        f" fill the gap, or leave this {kind} or these rows out"
    )
