"""The figures of docs/cohort.md: mean cycles of one real person and of virtual people."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nem2e_tf.files import replace_file
from nem2e_tf.report import palette

from .cohort_comparison import CURVES, PHASES, ComparisonMeasures


def draw_figure(
    real: ComparisonMeasures, people: Sequence[ComparisonMeasures], path: Path, title: str
) -> None:
    """Draw angles, moments, envelopes and simulated activity over the cycle.

    Bands go from the least to the largest of the virtual people; envelopes and activities are
    scaled to their own largest value, so that shapes compare.

    Args:
        real: Likeness of the recorded person.
        people: of the virtual ones.
        path: path. A .png to write.
        title: str.
    """
    muscles = list(real.envelopes.columns)
    figure = Figure(figsize=(12.0, 9.5), layout="constrained")
    figure.suptitle(f"{title}: real (black), virtual people (gray: median and range)", fontsize=11)
    grid = figure.subplots(6, 5)
    for axes, name in zip(grid[:2].flat, CURVES, strict=True):
        _panel(axes, real.curves[name].to_numpy(), [p.curves[name].to_numpy() for p in people])
        unit = "N m/kg" if name.endswith("_moment") else "deg"
        label = name.replace("_r_moment", " moment").removesuffix("_r").replace("_", " ")
        axes.set_title(f"{label} ({unit})", fontsize=8)
    panels = list(grid[2:].flat)
    for i, muscle in enumerate(muscles):
        for axes, what in ((panels[i], "envelopes"), (panels[i + 10], "simulated")):
            own = [getattr(p, what)[muscle].to_numpy() for p in [real, *people]]
            scaled = [curve / curve.max() for curve in own]
            _panel(axes, scaled[0], scaled[1:])
            label = "EMG" if what == "envelopes" else "simulation"
            axes.set_title(f"{muscle.removesuffix('_r')}, {label}", fontsize=8)
    for axes in (panels[9], panels[19]):
        axes.axis("off")
    for axes in grid.flat:
        axes.tick_params(labelsize=6)
        axes.set_xlim(0.0, 100.0)
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=72, pil_kwargs={"optimize": True})


def _panel(axes: Axes, real: np.ndarray, people: list[np.ndarray]) -> None:
    percent = 100.0 * PHASES
    every = np.stack(people)
    axes.fill_between(
        percent, every.min(axis=0), every.max(axis=0), color=palette.SIMULATED, alpha=0.2, lw=0
    )
    axes.plot(percent, np.median(every, axis=0), color=palette.SIMULATED, lw=1.2)
    axes.plot(percent, real, color=palette.MEASURED, lw=1.4)
