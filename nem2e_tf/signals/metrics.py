"""Errors and scores of an estimate against measured EMG, by muscle.

Names follow scikit-learn: a smaller `*_error` and a larger `*_score` are better.
"""

import numpy as np
import pandas as pd

LONGEST_LAG = 0.3
"""Seconds within which the lag of the best cross-correlation is searched."""


def root_mean_square_error(measured: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """RMSE of every column: `(rows, columns)` twice to `(columns,)`, in the unit of both.

    >>> measured = np.array([[0.0, 0.0], [0.0, 1.0]])
    >>> root_mean_square_error(measured, measured + [0.3, 0.0]).round(3).tolist()
    [0.3, 0.0]
    """
    return np.sqrt(np.mean((estimate - measured) ** 2, axis=0))


def range_normalised_error(measured: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """RMSE divided by the range (maximum - minimum) of the measured column; NaN if it is flat."""
    span = np.ptp(measured, axis=0)
    return _ratio(root_mean_square_error(measured, estimate), span)


def correlation_score(measured: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Pearson r of every column; NaN where either is flat."""
    m, e = measured - measured.mean(axis=0), estimate - estimate.mean(axis=0)
    return _ratio((m * e).sum(axis=0), np.sqrt((m**2).sum(axis=0) * (e**2).sum(axis=0)))


def determination_score(measured: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """R², 1 - residual / total sum of squares; NaN where the measured column is flat."""
    residual = ((estimate - measured) ** 2).sum(axis=0)
    total = ((measured - measured.mean(axis=0)) ** 2).sum(axis=0)
    return 1.0 - _ratio(residual, total)


def lag(measured: np.ndarray, estimate: np.ndarray, rate: float) -> np.ndarray:
    """Delay of the estimate at which it correlates best with the measured column.

    Args:
        measured: `(rows, columns)`.
        estimate: `(rows, columns)`.
        rate: float. Hz.

    Returns:
        `(columns,)`, milliseconds within ±`LONGEST_LAG`: positive where the estimate comes late.
        Each shift is scored by Pearson r over the rows that remain in common. NaN where a column
        is flat.

    >>> measured = np.sin(np.arange(300) / 20)[:, None]
    >>> lag(measured, np.roll(measured, 5, axis=0), rate=100.0).tolist()  # 5 frames late
    [50.0]
    """
    rows = len(measured)
    longest = min(int(LONGEST_LAG * rate), rows // 2)
    shifts = sorted(range(-longest, longest + 1), key=abs)
    scores = np.stack(
        [
            correlation_score(measured[max(0, -s) : rows - max(0, s)],
                              estimate[max(0, s) : rows - max(0, -s)])
            for s in shifts
        ]
    )  # fmt: skip
    best = np.array(shifts)[np.argmax(np.nan_to_num(scores, nan=-np.inf), axis=0)] * 1000.0 / rate
    return np.where(np.isnan(scores).all(axis=0), np.nan, best)


def score_table(measured: pd.DataFrame, estimate: pd.DataFrame, rate: float) -> pd.DataFrame:
    """All errors and scores, a row a muscle.

    Args:
        measured: `(rows, muscles)`, on one clock with `estimate`.
        estimate: `(rows, muscles)`, the same columns.
        rate: float. Hz.

    Returns:
        Columns `rmse`, `nrmse` (by the measured range), `r`, `r2`, `lag_ms`; index the muscles.
    """
    if list(measured.columns) != list(estimate.columns) or len(measured) != len(estimate):
        raise ValueError("measured and estimate differ in columns or rows")
    m, e = measured.to_numpy(dtype=float), estimate.to_numpy(dtype=float)
    return pd.DataFrame(
        {
            "rmse": root_mean_square_error(m, e),
            "nrmse": range_normalised_error(m, e),
            "r": correlation_score(m, e),
            "r2": determination_score(m, e),
            "lag_ms": lag(m, e, rate),
        },
        index=pd.Index(measured.columns, name="muscle"),
    )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    # Below this a column is flat but for rounding.
    flat = denominator <= 1e-12
    return np.where(flat, np.nan, numerator / np.where(flat, 1.0, denominator))
