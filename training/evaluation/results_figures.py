"""The figures of an evaluation's page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nem2e_tf.files import replace_file
from nem2e_tf.report import palette
from nem2e_tf.signals import PHASES, gait_cycles

from .methods import METHODS
from .protocols import REAL
from .results import REFINED, Result
from .scoring import Section, absolute_errors

_PERCENT = 100.0 * PHASES


def draw(
    protocol: str, results: Sequence[Result], output: Path
) -> tuple[list[str], list[list[str]]]:
    """Draw all figures of a protocol.

    Args:
        protocol: what it is called.
        results: one a section.
        output: path. Names begin with it.

    Returns:
        Names of the .png files of the protocol, and of those of each section.
    """

    def keep(figure: Figure, name: str) -> str:
        path = output.with_name(f"{output.name}-{name}.png")
        with replace_file(path) as temporary:
            figure.savefig(temporary, dpi=80, pil_kwargs={"optimize": True})
        return path.name

    of_sections = []
    for i, result in enumerate(results, start=1):
        section, own = result.section, []
        if REFINED in section.methods and section.cycles:
            if section.has_measured_unit and section.data == REAL:
                own.append(keep(_mean_cycles(section), f"{protocol}-{i}-cycle"))
            if any(result.smaller.values()) or any(result.larger.values()):
                own.append(keep(_intervals(result), f"{protocol}-{i}-spm"))
        of_sections.append(own)
    return [keep(_ratios(results), protocol)], of_sections


def _ratios(results: Sequence[Result]) -> Figure:
    """RMSE of each method relative to raw: each muscle a dot, the mean RMSE of all a bar."""
    figure = Figure(figsize=(9.0, 1.2 + 2.1 * len(results)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(results), 1, sharex=True))
    for axes, result in zip(panels, results, strict=True):
        section = result.section
        rmse = result.table["rmse"].groupby(level=["method", "muscle"]).mean().unstack("method")
        for place, method in enumerate(section.methods):
            ratios = (rmse[method] / rmse["raw"]).to_numpy()
            colour = palette.REFINED if method == REFINED else palette.SIMULATED
            axes.bar(place, result.nine.loc[method, "to_raw"], color=colour, width=0.6)
            axes.plot(np.full(len(ratios), place), ratios, ".", color=palette.MEASURED, ms=4)
        axes.axhline(1.0, color=palette.SIMULATED, lw=1)
        axes.set_title(f"{section.title}, {section.data}", fontsize=9)
        axes.set_ylabel("RMSE / raw", fontsize=8)
        names = [METHODS[method].replace(" ", "\n", 1) for method in section.methods]
        axes.set_xticks(range(len(names)), names, fontsize=7)
    return figure


def _panels(section: Section) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(9.0, 6.6), layout="constrained")
    panels = list(figure.subplots(3, 3, sharex=True).flat)
    for axes, muscle in zip(panels, section.muscles, strict=False):
        axes.set_title(muscle.replace("_", " "), fontsize=9)
        axes.set_xlim(0.0, 100.0)
        axes.tick_params(labelsize=7)
    for axes in panels[len(section.muscles) :]:
        axes.axis("off")
    for axes in panels[6:]:
        axes.set_xlabel("% of cycle", fontsize=8)
    figure.suptitle(f"{section.title}, {section.data}", fontsize=10)
    return figure, panels


def _mean_cycles(section: Section) -> Figure:
    """Mean gait cycle of measured, raw and refined envelopes; a band is ± one deviation."""
    figure, panels = _panels(section)
    for name, colour, of in (
        ("measured", palette.MEASURED, None), ("raw simulation", palette.SIMULATED, "raw"),
        ("STDR-Net", palette.REFINED, REFINED),
    ):  # fmt: skip
        every = np.concatenate(
            [
                gait_cycles(tested.measured if of is None else tested.estimates[of], tested.starts)
                for tested in section.tested
                if len(tested.starts) > 1
            ]
        )
        mean, spread = every.mean(axis=0), every.std(axis=0)
        for i, axes in enumerate(panels[: len(section.muscles)]):
            axes.plot(_PERCENT, mean[:, i], color=colour, lw=1.3, label=name)
            low, high = mean[:, i] - spread[:, i], mean[:, i] + spread[:, i]
            axes.fill_between(_PERCENT, low, high, color=colour, alpha=0.15, lw=0)
    panels[0].legend(fontsize=7)
    return figure


def _intervals(result: Result) -> Figure:
    """Mean absolute error over the cycle, and where raw and refined differ significantly."""
    section = result.section
    figure, panels = _panels(section)
    for name, colour, of in (
        ("raw simulation", palette.SIMULATED, "raw"),
        ("STDR-Net", palette.REFINED, REFINED),
    ):
        error = absolute_errors(section, of).mean(axis=0)
        for i, axes in enumerate(panels[: len(section.muscles)]):
            axes.plot(_PERCENT, error[:, i], color=colour, lw=1.3, label=name)
    for axes, muscle in zip(panels, section.muscles, strict=False):
        for spans, colour in (
            (result.smaller, palette.REFINED),
            (result.larger, palette.SIMULATED),
        ):
            for first, last in spans[muscle]:
                axes.axvspan(first, last, color=colour, alpha=0.15, lw=0)
        axes.set_ylim(bottom=0.0)
    panels[0].set_ylabel("absolute error", fontsize=8)
    panels[0].legend(fontsize=7)
    return figure
