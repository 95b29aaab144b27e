"""The figures of an evaluation's page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nem2e_tf.files import replace_file
from nem2e_tf.report import palette
from nem2e_tf.signals import PHASES, gait_cycles

from .documents import format_people
from .methods import METHODS
from .protocols import REAL
from .results import REFINED, Result
from .results_tables import HEADINGS, SectionTables, row_of
from .scoring import Section, absolute_errors

_PERCENT = 100.0 * PHASES


def draw_sections(protocol: str, results: Sequence[Result], output: Path) -> list[list[str]]:
    """Draw the figures that need the recordings themselves.

    Args:
        protocol: what it is called.
        results: one a section.
        output: path. Names begin with it.

    Returns:
        Names of the .png files of each section.
    """
    of_sections = []
    for i, result in enumerate(results, start=1):
        section, own = result.section, []
        if REFINED in section.methods and section.cycles:
            if section.has_measured_unit and section.data == REAL:
                own.append(_save(_mean_cycles(section), output, f"{protocol}-{i}-cycle"))
            if any(result.smaller.values()) or any(result.larger.values()):
                own.append(_save(_intervals(result), output, f"{protocol}-{i}-spm"))
        of_sections.append(own)
    return of_sections


def draw_summary(sections: Mapping[str, Sequence[SectionTables]], output: Path) -> str:
    """Draw the mean r of the raw simulation, of ridge and of STDR-Net for every test.

    Args:
        sections: by protocol, of `results_tables.sections_of`.
        output: path. The name begins with it.

    Returns:
        Name of the .png file.
    """
    lines: list[tuple[str, SectionTables | None]] = []
    for protocol, of in sections.items():
        lines += [(HEADINGS[protocol], None), *((_label(section), section) for section in of)]
    figure = Figure(figsize=(9.0, 1.0 + 0.28 * len(lines)), layout="constrained")
    axes = figure.subplots()
    labelled: set[str] = set()
    for place, (_, section) in enumerate(lines):
        if section is None:
            axes.axhline(place, color=palette.PAGE["rule"], lw=0.8)
            continue
        for method, colour, offset in (
            ("raw", palette.SIMULATED, -0.2), ("ridge", palette.SIMULATED, 0.0),
            (REFINED, palette.REFINED, 0.2),
        ):  # fmt: skip
            if method in section.methods:
                row = row_of(section.nine, method)
                axes.errorbar(
                    row["r"], place + offset, xerr=np.nan_to_num(row["r_sd"]), ms=5,
                    fmt="s" if method == "ridge" else "o", color=colour, elinewidth=1,
                    markerfacecolor="white" if method == "ridge" else colour,
                    label=None if method in labelled else METHODS[method],
                )  # fmt: skip
                labelled.add(method)
    axes.set_yticks(range(len(lines)), [text for text, _ in lines], fontsize=8)
    for label, (_, section) in zip(axes.get_yticklabels(), lines, strict=True):
        label.set_fontweight("bold" if section is None else "normal")
    axes.invert_yaxis()
    axes.set_xlim(-0.1, 1.0)
    axes.axvline(0.0, color=palette.PAGE["rule"], lw=0.8)
    axes.set_xlabel("mean correlation r with the EMG (1 is best)", fontsize=9)
    figure.legend(fontsize=8, loc="outside upper center", ncols=3)
    return _save(figure, output, "summary")


def _label(section: SectionTables) -> str:
    kind = "real" if section.data == REAL else "synthetic"
    return f"{section.title} ({kind}, {format_people(section.people)})"


def draw_ratios(protocol: str, sections: Sequence[SectionTables], output: Path) -> str:
    """Draw the RMSE of each method relative to raw: each muscle a dot, the mean RMSE a bar.

    Args:
        protocol: what it is called.
        sections: its sections.
        output: path. The name begins with it.

    Returns:
        Name of the .png file.
    """
    figure = Figure(figsize=(9.0, 1.2 + 2.1 * len(sections)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(sections), 1, sharex=True))
    for axes, section in zip(panels, sections, strict=True):
        rmse = section.muscles["rmse"].unstack()
        for place, method in enumerate(section.methods):
            ratios = (rmse.loc[method] / rmse.loc["raw"]).to_numpy()
            colour = palette.REFINED if method == REFINED else palette.SIMULATED
            axes.bar(place, row_of(section.nine, method)["to_raw"], color=colour, width=0.6)
            axes.plot(np.full(len(ratios), place), ratios, ".", color=palette.MEASURED, ms=4)
        axes.axhline(1.0, color=palette.SIMULATED, lw=1)
        axes.set_title(f"{section.title}, {section.data}", fontsize=9)
        axes.set_ylabel("RMSE / raw", fontsize=8)
        names = [METHODS[method].replace(" ", "\n", 1) for method in section.methods]
        axes.set_xticks(range(len(names)), names, fontsize=7)
    return _save(figure, output, protocol)


def _save(figure: Figure, output: Path, name: str) -> str:
    path = output.with_name(f"{output.name}-{name}.png")
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=80, pil_kwargs={"optimize": True})
    return path.name


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


def draw_mean_cycles(section: Section, path: Path) -> None:
    """Draw mean gait cycles of measured, raw and refined envelopes.

    Args:
        section: Section with the methods `raw` and `stdr_net`.
        path: path. A .png to write.
    """
    with replace_file(path) as temporary:
        _mean_cycles(section).savefig(temporary, dpi=80, pil_kwargs={"optimize": True})


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
