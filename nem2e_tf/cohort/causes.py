"""Why a virtual person's EMG differs from the estimate: every cause, its parameters and ranges.

`causes.yaml` holds the numbers and their sources. A cause is switched off by leaving its name out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import yaml

from nem2e_tf.cohort.subject import Subject
from nem2e_tf.errors import InputError, suggest_name


@dataclass(frozen=True)
class Parameter:
    """A number that differs between people.

    Args:
        low: end of its range.
        high: end of its range.
        normal: whether it is normally distributed between, with two standard deviations to either
            end, rather than evenly.
        neutral: its value where the cause is switched off.
        each: what has one of its own: `person`, `muscle`, `joint`, `electrode` or `pair`.
        unit: of the number, or empty.
        source: of the range.
    """

    low: float
    high: float
    normal: bool
    neutral: float
    each: str
    unit: str
    source: str

    def draw(self, chance: np.random.Generator, count: int) -> np.ndarray:
        """Independent values `(count,)`."""
        if not self.normal:
            return chance.uniform(self.low, self.high, count)
        scores = chance.standard_normal(count)
        while (outside := np.abs(scores) > 2.0).any():
            scores[outside] = chance.standard_normal(int(outside.sum()))
        return (self.low + self.high) / 2.0 + (self.high - self.low) / 4.0 * scores


@dataclass(frozen=True)
class Cause:
    """A reason for EMG to differ from the estimate.

    Args:
        name: str.
        what: in a few words.
        parameters: by name.
    """

    name: str
    what: str
    parameters: dict[str, Parameter]


@cache
def causes() -> dict[str, Cause]:
    """All causes by name, in the order in which they act."""
    table = yaml.safe_load(files(__package__).joinpath("causes.yaml").read_text(encoding="utf-8"))
    return {
        name: Cause(
            name,
            entry["what"],
            {
                parameter: Parameter(
                    low=float(given["range"][0]),
                    high=float(given["range"][1]),
                    normal="mean" in given,
                    neutral=float(given["neutral"]),
                    each=given.get("each", "person"),
                    unit=given.get("unit", ""),
                    source=given["source"],
                )
                for parameter, given in entry["parameters"].items()
            },
        )
        for name, entry in table.items()
    }


def switched_on(only: Iterable[str] | None = None, without: Iterable[str] = ()) -> frozenset[str]:
    """Names of the causes that act.

    Args:
        only: names or None. None is all.
        without: names to leave out of these.

    Raises:
        InputError: there is no such cause.
    """
    known = list(causes())
    chosen = known if only is None else list(only)
    left_out = list(without)
    for name in (*chosen, *left_out):
        if name not in known:
            raise InputError(f"there is no cause '{name}'; {suggest_name(name, known)}")
    return frozenset(chosen) - frozenset(left_out)


def draw(
    subject: Subject, acting: frozenset[str], cause: str, parameter: str, names: Iterable[str]
) -> np.ndarray:
    """One person's values of a parameter.

    They do not depend on which other causes act, nor on the order of `names`.

    Args:
        subject: Subject.
        acting: names of the causes that act.
        cause: name.
        parameter: name.
        names: of the muscles, joints, electrodes or pairs that have one each; `[""]` for one.

    Returns:
        `(names,)`.
    """
    found = causes()[cause].parameters[parameter]
    if cause not in acting:
        return np.array([found.neutral for _ in names])
    return np.array([found.draw(subject.chance(cause, parameter, name), 1)[0] for name in names])
