"""Pictures of muscle activity over time."""

from pathlib import Path

import pandas as pd

from nem2e_tf.files import replace_file
from nem2e_tf.report.palette import MEASURED, REFINED, SIMULATED


def plot_activity(
    simulated: pd.DataFrame,
    refined: pd.DataFrame,
    path: Path,
    title: str,
    measured: pd.DataFrame | None = None,
    bounds: pd.DataFrame | None = None,
) -> None:
    """Draw every refined muscle over time, with its simulated activation behind it.

    The two have separate scales: a simulated activation is relative to the muscle's force, an
    envelope to a person's largest EMG.

    Args:
        simulated: `(rows, muscles)`; columns that are not refined are left out.
        refined: `(rows, muscles)`.
        path: path. A .png, .pdf or .svg to write.
        title: str.
        measured: `(rows, muscles)` or None. Envelopes to draw beside the refined ones.
        bounds: `(rows, 2 * muscles)` or None. From `Refiner.interval`; drawn as a band.
    """
    from matplotlib.figure import Figure

    muscles = list(refined.columns)
    banded = bounds is not None and not bounds.empty
    figure = Figure(figsize=(10, 1.25 * len(muscles) + 1.2), layout="constrained")
    figure.suptitle(title)
    all_axes = figure.subplots(len(muscles), 1, sharex=True, squeeze=False)[:, 0]
    for axes, muscle in zip(all_axes, muscles, strict=True):
        right = axes.twinx()
        if muscle in simulated.columns:
            axes.fill_between(simulated.index, simulated[muscle], color=SIMULATED, alpha=0.35, lw=0)
            axes.plot(simulated.index, simulated[muscle], color=SIMULATED, lw=1.0)
        if bounds is not None and banded:
            edges = bounds[f"{muscle}_lower"], bounds[f"{muscle}_upper"]
            right.fill_between(bounds.index, *edges, color=REFINED, alpha=0.18, lw=0)
        if measured is not None and muscle in measured.columns:
            right.plot(measured.index, measured[muscle], color=MEASURED, lw=1.2, ls="--")
        right.plot(refined.index, refined[muscle], color=REFINED, lw=1.6)
        for side, color in ((axes, SIMULATED), (right, REFINED)):
            side.set_ylim(bottom=0.0)
            side.tick_params(axis="y", labelsize=7, labelcolor=color)
            side.locator_params(axis="y", nbins=3)
            side.spines["top"].set_visible(False)
        axes.set_title(muscle, loc="left", fontsize=9, pad=2)
    all_axes[-1].set_xlabel("time (s)")
    all_axes[-1].set_xlim(refined.index[0], refined.index[-1])
    entries = {
        "simulated activation (left axis)": SIMULATED,
        "refined envelope (right axis)": REFINED,
    }
    if measured is not None:
        entries["measured envelope (right axis)"] = MEASURED
    lines = [axes.plot([], [], color=color, lw=2)[0] for color in entries.values()]
    if banded:
        entries["90 % interval"] = REFINED
        lines.append(axes.fill_between([], [], color=REFINED, alpha=0.18, lw=0))
    figure.legend(
        lines, list(entries), loc="outside lower center", ncols=len(entries), frameon=False
    )
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=120)
