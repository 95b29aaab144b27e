"""Figure of the timing distortion that a refiner corrects."""

from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.files import replace_file
from nem2e_tf.refiner.distortion import PHASES, Distortion
from nem2e_tf.report.palette import MEASURED, REFINED, SIMULATED


def plot_distortion(distortion: Distortion, path: Path, title: str) -> None:
    """Draw the attention along the cycle, and the mean cycle and the delay of every muscle.

    Args:
        distortion: Distortion.
        path: path. A .png, .pdf or .svg to write.
        title: str.
    """
    from matplotlib.figure import Figure

    muscles = list(distortion.refined.columns)
    figure = Figure(figsize=(10, 1.05 * len(muscles) + 4.6), layout="constrained")
    figure.suptitle(title)
    top, bottom = np.ravel(
        figure.subfigures(2, 1, squeeze=False, height_ratios=[3.0, 1.05 * len(muscles) + 1.2])
    )
    _attention(top, distortion)
    grid = bottom.subplots(len(muscles), 2, sharex=True, squeeze=False)
    # One scale for all muscles, so that their delays compare.
    delays = [distortion.delays.to_numpy(), distortion.true_delays.to_numpy()]
    largest = np.nanmax([50.0, *(np.nanmax(np.abs(t)) for t in delays if np.isfinite(t).any())])
    summary = distortion.summary()
    for (left, right), muscle in zip(grid, muscles, strict=True):
        _cycles(left, distortion, muscle)
        right.axhline(0.0, color="black", lw=0.6)
        right.plot(distortion.delays[muscle], color=REFINED, lw=1.6)
        if muscle in distortion.true_delays:
            right.plot(distortion.true_delays[muscle], color=MEASURED, lw=1.2, ls="--")
        right.set_ylim(-1.1 * largest, 1.1 * largest)
        right.set_ylabel("ms", fontsize=8)
        label = ", ".join(
            f"{value:.0f} ms{suffix}"
            for value, suffix in zip(summary.loc[muscle], ("", " (truth)"), strict=False)
            if np.isfinite(value)
        )
        right.set_title(label or "unknown", loc="right", fontsize=8, pad=2)
        for axes in (left, right):
            axes.set_title(muscle.replace("_", " "), loc="left", fontsize=9, pad=2)
            axes.tick_params(labelsize=7)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_xlim(0, 99)
    grid[0, 0].annotate("mean cycle", (0.5, 1.3), xycoords="axes fraction", ha="center")
    grid[0, 1].annotate(
        "how late the simulation comes", (0.5, 1.3), xycoords="axes fraction", ha="center"
    )
    for axes in grid[-1]:
        axes.set_xlabel("% of the cycle")
    entries = {"simulated": (SIMULATED, "-"), "refined": (REFINED, "-")}
    if not distortion.truth.empty:
        entries["truth"] = (MEASURED, "--")
    lines = [axes.plot([], [], color=color, ls=style)[0] for color, style in entries.values()]
    bottom.legend(
        lines, list(entries), loc="outside lower center", ncols=len(entries), frameon=False
    )
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _attention(figure: Any, distortion: Distortion) -> None:
    axes = figure.subplots()
    offsets = distortion.attention.columns.to_numpy(dtype=float)
    shares = distortion.attention.to_numpy()
    image = axes.pcolormesh(
        PHASES, offsets, 100.0 * shares.T, cmap="cividis", shading="nearest", rasterized=True
    )
    axes.plot(PHASES, shares @ offsets / shares.sum(axis=1), color="white", lw=1.6)
    axes.axhline(0.0, color="white", lw=0.6, ls=":")
    axes.set_title("attention, shared by all muscles; white: its centre", fontsize=9, loc="left")
    axes.set_ylabel("looks earlier ← ms → later")
    origin = distortion.origin.replace("_", " ")
    axes.set_xlabel(f"% of a cycle of {distortion.cycle:.2f} s, from the refined peak of {origin}")
    figure.colorbar(image, ax=axes, label="% of attention")


def _cycles(axes: Any, distortion: Distortion, muscle: str) -> None:
    """Draw mean cycles, each relative to its maximum: only their timing is compared."""
    for frame, style in (
        (distortion.simulated, {"color": SIMULATED, "lw": 1.0}),
        (distortion.refined, {"color": REFINED, "lw": 1.6}),
        (distortion.truth, {"color": MEASURED, "lw": 1.2, "ls": "--"}),
    ):
        if muscle in frame:
            axes.plot(frame[muscle] / frame[muscle].max(), **style)
    axes.set_ylim(0.0, 1.08)
    axes.set_yticks([0, 1])
