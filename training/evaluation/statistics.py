"""Significance of differences between methods: over people, and over the gait cycle."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

MINIMUM_PEOPLE = 6
"""With fewer people, no difference can be significant at 0.05 by the signed-rank test."""
ALPHA = 0.05

Interval = tuple[float, float]


def holm_correction(p: np.ndarray) -> np.ndarray:
    """P-values corrected for their number (Holm 1979, Scand. J. Statist. 6:65); NaN stays NaN.

    Example:

        >>> holm_correction(np.array([0.01, 0.04, 0.03])).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    corrected = np.full(len(p), np.nan)
    order = [i for i in np.argsort(p) if not np.isnan(p[i])]
    steps = np.array([p[i] * (len(order) - k) for k, i in enumerate(order)])
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if order else []
    return corrected


def signed_rank_test(
    table: pd.DataFrame, score: str = "rmse", against: str = "raw"
) -> pd.DataFrame:
    """Wilcoxon's signed-rank test over people, of each method against another, per muscle.

    Args:
        table: of `training.evaluation.scoring.scores`.
        score: column that is compared.
        against: method.

    Returns:
        `(methods, muscles)`, two-sided p, corrected by Holm over the muscles of a method; empty
        with fewer than `MINIMUM_PEOPLE` people.
    """
    wide = table[score].unstack("subject")
    if wide.shape[1] < MINIMUM_PEOPLE:
        return pd.DataFrame()
    methods = list(dict.fromkeys(wide.index.get_level_values("method")))
    rows = {}
    for method in methods:
        if method != against:
            differences = wide.loc[method] - wide.loc[against].reindex(wide.loc[method].index)
            p = [
                float(wilcoxon(d).pvalue) if np.abs(d).max() > 1e-12 else 1.0
                for d in differences.to_numpy()
            ]
            rows[method] = pd.Series(holm_correction(np.array(p)), index=differences.index)
    return pd.DataFrame(rows).T


def significant_intervals(
    errors: np.ndarray, baseline: np.ndarray, tests: int = 1
) -> tuple[list[Interval], list[Interval]]:
    """Intervals of the gait cycle in which errors are smaller, and larger, than a baseline's.

    One-dimensional statistical parametric mapping, paired t over people (Pataky 2010, J. Biomech.
    43:1976), two-sided at 0.05 divided by the number of tests.

    Args:
        errors: `(people, 101)`, absolute error over the cycle.
        baseline: `(people, 101)`, of the same people.
        tests: int. How many such tests there are, such as one a muscle.

    Returns:
        Intervals in per cent of the cycle, smaller and then larger. Both empty with fewer than
        `MINIMUM_PEOPLE` people.
    """
    if len(errors) < MINIMUM_PEOPLE:
        return [], []
    import spm1d

    result = spm1d.stats.ttest_paired(errors, baseline)
    threshold = float(result.inference(ALPHA / tests, two_tailed=True).zstar)
    return _true_intervals(result.z < -threshold), _true_intervals(result.z > threshold)


def _true_intervals(inside: Sequence[bool] | np.ndarray) -> list[Interval]:
    """First and last index of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(inside, int), [0]])))
    return [(float(a), float(b - 1)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
