"""The appendix of docs/cohort.md: what is out of range, differences between people, causes."""

from collections.abc import Mapping

import pandas as pd

from nem2e_tf.cohort.causes import read_causes

from .cohort_people import CAUSE_STRIDES
from .cohort_tables import median_effects
from .documents import as_words, format_people, markdown_table


def appendix(found: Mapping[str, pd.DataFrame]) -> str:
    """The appendix, as Markdown.

    Args:
        found: of `cohort_tables.tables`.
    """
    tasks = list(dict.fromkeys(found["comparison"]["task"]))
    people = found["causes"]["person"].nunique()
    parts = ["# Appendix: virtual people", _INTRODUCTION, "## Out of range"]
    parts += [_out_of_range(task, found) for task in tasks]
    published = markdown_table(["task", "between people", "source"], _PUBLISHED, left=3)
    parts += [_DIFFERENCES.format(published)]
    parts += [_differences(found["differences"], task) for task in tasks]
    parts += [_EFFECTS.format(format_people(people), CAUSE_STRIDES), _effects(found["causes"])]
    return "\n\n".join([*parts, _RANGES, _ranges()]) + "\n"


def _out_of_range(task: str, found: Mapping[str, pd.DataFrame]) -> str:
    """What of the real person is not within the cohort."""
    curves = found["curves"]
    partly = curves[(curves["task"] == task) & (curves["share_within"] < 0.9)]
    text = f"{task.title()}. "
    if len(partly):
        named = ", ".join(
            f"{name} ({100 * share:.0f} %)"
            for name, share in zip(partly["curve"], partly["share_within"], strict=True)
        )
        text += f"Mean curves that are within the range for less than 90 % of the cycle: {named}. "
    table = found["comparison"]
    outside = table[(table["task"] == task) & ~table["within"]]
    rows = [
        [
            str(row["quantity"]),
            as_words(str(row["muscle"]).removesuffix("_r")),
            *(f"{row[name]:.3g}" for name in ("real", "least", "largest")),
        ]
        for row in outside.to_dict("records")
    ]
    if not rows:
        return text + "All numbers are within the range."
    header = ["quantity", "muscle", "real person", "cohort, least", "cohort, largest"]
    return f"{text}Numbers out of range:\n\n{markdown_table(header, rows, left=2)}"


def _differences(table: pd.DataFrame, task: str) -> str:
    header = [task, "r with the others' mean", "CV", "variance ratio", "with amplitude",
              "r of the real person with the cohort's mean"]  # fmt: skip
    names = ["r", "CV", "variance ratio", "with amplitude", "real"]
    rows = [
        [as_words(str(row["muscle"])), *(f"{row[name]:.2f}" for name in names)]
        for row in table[table["task"] == task].to_dict("records")
    ]
    return markdown_table(header, rows)


def _effects(table: pd.DataFrame) -> str:
    medians = median_effects(table)
    tasks = list(dict.fromkeys(table["task"]))
    header = ["cause alone", *(name for task in tasks for name in (f"{task} r", "lag", "NRMSE"))]
    rows = []
    for cause in dict.fromkeys(table["cause"]):
        cells = []
        for task in tasks:
            row = medians.loc[(cause, task)]
            cells += [
                f"{row['r']:.3f} ({row['least_r']:.3f})",
                f"{row['lag_ms']:.0f}",
                f"{row['nrmse']:.3f}",
            ]
        rows.append([as_words(cause), *cells])
    return markdown_table(header, rows)


def _ranges() -> str:
    rows = []
    for cause in read_causes().values():
        ranges = "; ".join(
            f"{name} {p.low:g} to {p.high:g}{f' ({p.unit})' if p.unit else ''}"
            f"{f', each {p.scope}' if p.scope != 'person' else ''}"
            for name, p in cause.parameters.items()
            if p.low < p.high
        )
        rows.append([as_words(cause.name), cause.description, ranges])
    return markdown_table(["cause", "what", "parameters"], rows, left=3)


_INTRODUCTION = (
    """Written by `python -m training.evaluation.cohort_page` with [the page](../cohort.md)."""
)

_DIFFERENCES = """## Differences between people

Mean cycles of EMG, one virtual person's against the others': `r` with their mean; the coefficient
of variation over the cycle (Winter 1984) and the variance ratio (Hershler and Milner 1978; 0 where
people are alike, 1 where they have nothing in common), both of cycles that are divided by their
own mean; and the variance ratio with amplitude, 1 being a person's largest envelope. Published
differences between healthy adults, as far as abstracts report them:

{}

By these, muscles that cross one joint and carry the body should be the most alike, and rectus
femoris and the hamstrings the least. None of these publications gives r of a muscle in walking or
running as it is computed here."""

_PUBLISHED = (
    (
        "walking, 16 muscles",
        "least different in distal muscles of one joint, more in proximal ones and in those of two",
        "Winter DA, Yack HJ (1987), Electroencephalogr Clin Neurophysiol 67:402-411",
    ),
    (
        "walking, 5 muscles",
        "amplitudes differ in all, profiles most in rectus femoris",
        "Arsenault AB, Winter DA, Marteniuk RG (1986), Med Biol Eng Comput 24:337-343",
    ),
    (
        "walking, 14 muscles",
        "amplitudes differ by a factor of 4; most muscles have a consistent profile",
        "Hof AL, Elzinga H, Grimmius W, Halbertsma JPK (2005), Gait Posture 21:171-177",
    ),
    (
        "stance of walking, knee flexors and extensors",
        "variance ratio with amplitude 0.43-0.99, by the largest of daily activities and MVC",
        "Ghazwan A, Forrest SM, Holt CA, Whatling GM (2017), PLoS ONE 12:e0174670",
    ),
    (
        "running at 4.2 m/s, 7 muscles",
        "profiles and times of peaks differ between people, and hardly within",
        "Guidetti L, Rivellini G, Figura F (1996), J Electromyogr Kinesiol 6:37-48",
    ),
    (
        "pedalling, 10 muscles",
        "r of 0.88-0.93 between activations of three synergies; weights of soleus and of muscles"
        " of two joints differ most",
        "Hug F, Turpin NA, Guével A, Dorel S (2010), J Appl Physiol 108:1727-1736",
    ),
)

_EFFECTS = """## Effect of each cause

The simulation against the "measured" EMG when one cause acts alone ({}, {} strides): median over
muscles and people, in brackets the least r; lag in ms, positive where the simulation comes late;
NRMSE after both are scaled to their largest value. `carrier`, `noise` and `artefact` include the
effect of the 6 Hz low-pass of the envelope; the others do not."""

_RANGES = """## Ranges of the parameters

Sources are in `nem2e_tf/cohort/causes.yaml`. `nem2e cohort --without delay,crosstalk` switches
causes off and `--only delay` leaves one; everything else stays exactly as it was."""
