"""A cohort of virtual people beside one real person: tidy tables for the page and its data."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .cohort_comparison import (
    CURVES,
    ComparisonMeasures,
    between_people_differences,
    correlation,
)
from .cohort_people import Person


def tables(
    real: Mapping[str, ComparisonMeasures], people: Sequence[Person]
) -> dict[str, pd.DataFrame]:
    """The tables that are kept beside the page, by name."""
    return {
        "comparison": pd.concat([comparison(task, real[task], people) for task in real]),
        "people": _people(real, people),
        "curves": pd.concat([curves(task, real[task], people) for task in real]),
        "differences": pd.concat([between_people(task, real[task], people) for task in real]),
        "causes": effects(people),
    }


def comparison(task: str, real: ComparisonMeasures, people: Sequence[Person]) -> pd.DataFrame:
    """The real person's numbers and the range of the cohort's.

    Returns:
        A row a quantity and muscle (empty where it is not of a muscle): `real`; `least`,
        `10 %`, `median`, `90 %` and `largest` of the cohort; `within` its range, and
        `within_80` per cent in its middle.
    """
    cohort = pd.concat([person.tasks[task].numbers for person in people], axis=1)
    found = pd.DataFrame(
        {"real": real.numbers}
        | {
            name: cohort.quantile(share, axis=1)
            for name, share in (
                ("least", 0.0), ("10 %", 0.1), ("median", 0.5), ("90 %", 0.9), ("largest", 1.0),
            )
        }
    )  # fmt: skip
    found["within"] = found["real"].between(found["least"], found["largest"])
    found["within_80"] = found["real"].between(found["10 %"], found["90 %"])
    found = found.rename_axis(["quantity", "muscle"]).reset_index()
    found.insert(0, "task", task)
    return found.round(6)


def _people(real: Mapping[str, ComparisonMeasures], people: Sequence[Person]) -> pd.DataFrame:
    """A row a task, quantity, muscle and person; person 0 is the real one."""
    parts = []
    for task in real:
        every = [real[task].numbers, *(person.tasks[task].numbers for person in people)]
        for number, numbers in enumerate(every):
            part = numbers.rename_axis(["quantity", "muscle"]).rename("value").reset_index()
            parts.append(part.assign(task=task, person=number))
    columns = ["task", "quantity", "muscle", "person", "value"]
    return pd.concat(parts)[columns].round(6)


def curves(task: str, real: ComparisonMeasures, people: Sequence[Person]) -> pd.DataFrame:
    """For how much of the cycle the real person's mean angle or moment is within the cohort's."""
    every = np.stack([person.tasks[task].curves.to_numpy() for person in people])
    inside = (real.curves >= every.min(axis=0)) & (real.curves <= every.max(axis=0))
    share = inside.mean(axis=0).to_numpy()
    return pd.DataFrame({"task": task, "curve": list(CURVES), "share_within": share.round(4)})


def between_people(task: str, real: ComparisonMeasures, people: Sequence[Person]) -> pd.DataFrame:
    """How much people's mean cycles of EMG differ, by muscle and on average.

    Returns:
        The columns of `between_people_differences`, and `real`: r of the real person's mean cycle
        with the cohort's.
    """
    cohort = [person.tasks[task].envelopes for person in people]
    table = between_people_differences(cohort)
    shape = np.mean([cycle.to_numpy() / cycle.to_numpy().mean(axis=0) for cycle in cohort], axis=0)
    table["real"] = correlation(real.envelopes.to_numpy()[:-1], shape[:-1])
    table.index = table.index.str.removesuffix("_r")
    table.loc["mean"] = table.mean()
    table = table.rename_axis("muscle").reset_index()
    table.insert(0, "task", task)
    return table.round(4)


def effects(people: Sequence[Person]) -> pd.DataFrame:
    """Scores of the estimate against EMG when one cause acts alone, by task, person and muscle."""
    parts = [
        table.rename_axis("muscle").reset_index().assign(task=task, cause=cause, person=number)
        for number, person in enumerate(people, start=1)
        for (task, cause), table in person.effects.items()
    ]
    scores = ["r", "lag_ms", "nrmse", "rmse"]
    return pd.concat(parts)[["task", "cause", "person", "muscle", *scores]].round(6)


def median_effects(table: pd.DataFrame) -> pd.DataFrame:
    """Of `effects`, by `(cause, task)`: the median over muscles and people, and the least r."""
    grouped = table.groupby(["cause", "task"], sort=False)
    medians = grouped[["r", "lag_ms", "nrmse"]].median()
    medians["least_r"] = grouped["r"].min()
    return medians
