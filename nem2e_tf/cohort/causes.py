"""The causes by which a virtual person's EMG differs from the estimate, with parameters and ranges.

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
        is_normal: whether the distribution is normal, with two standard deviations from the mean
            to either end, rather than uniform.
        neutral: its value where the cause is switched off.
        scope: what has its own value: `person`, `muscle`, `joint`, `electrode` or `pair`.
        unit: of the number, or empty.
        source: of the range.
    """

    low: float
    high: float
    is_normal: bool
    neutral: float
    scope: str
    unit: str
    source: str

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Independent values `(count,)`."""
        if not self.is_normal:
            return rng.uniform(self.low, self.high, count)
        scores = rng.standard_normal(count)
        while (outside := np.abs(scores) > 2.0).any():
            scores[outside] = rng.standard_normal(int(outside.sum()))
        return (self.low + self.high) / 2.0 + (self.high - self.low) / 4.0 * scores


@dataclass(frozen=True)
class Cause:
    """A reason for EMG to differ from the estimate.

    Args:
        name: str.
        description: a few words for a table.
        parameters: by name.
    """

    name: str
    description: str
    parameters: dict[str, Parameter]


@cache
def read_causes() -> dict[str, Cause]:
    """All causes by name, in the order in which they act."""
    table = yaml.safe_load(files(__package__).joinpath("causes.yaml").read_text(encoding="utf-8"))
    return {
        name: Cause(
            name,
            entry["what"],
            {
                parameter: Parameter(
                    low=float(facts["range"][0]),
                    high=float(facts["range"][1]),
                    is_normal="mean" in facts,
                    neutral=float(facts["neutral"]),
                    scope=facts.get("each", "person"),
                    unit=facts.get("unit", ""),
                    source=facts["source"],
                )
                for parameter, facts in entry["parameters"].items()
            },
        )
        for name, entry in table.items()
    }


def select_causes(only: Iterable[str] | None = None, without: Iterable[str] = ()) -> frozenset[str]:
    """The names of the causes that act.

    Args:
        only: names or None. None is all.
        without: names to leave out of these.

    Raises:
        InputError: there is no such cause.
    """
    known = list(read_causes())
    chosen = known if only is None else list(only)
    left_out = list(without)
    for name in (*chosen, *left_out):
        if name not in known:
            raise InputError(f"there is no cause '{name}'; {suggest_name(name, known)}")
    return frozenset(chosen) - frozenset(left_out)


def sample_parameter(
    subject: Subject,
    active_causes: frozenset[str],
    cause: str,
    parameter: str,
    names: Iterable[str],
) -> np.ndarray:
    """Draw one person's values of a parameter.

    The values depend neither on the other causes that act nor on the order of `names`.

    Args:
        subject: Subject.
        active_causes: names of the causes that act.
        cause: name.
        parameter: name.
        names: of the muscles, joints, electrodes or pairs that have one each; `[""]` for one.

    Returns:
        `(names,)`.
    """
    definition = read_causes()[cause].parameters[parameter]
    if cause not in active_causes:
        return np.array([definition.neutral for _ in names])
    return np.array(
        [definition.sample(subject.rng(cause, parameter, name), 1)[0] for name in names]
    )
