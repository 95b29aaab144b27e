"""The card of a refiner: its channels, training data, scores, intervals and versions."""

import importlib.metadata
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveFloat,
    ValidationError,
    model_validator,
)

from nem2e_tf.edge import LARGEST_RATE, LONGEST_WINDOW
from nem2e_tf.errors import InputError
from nem2e_tf.files import replace_file
from nem2e_tf.refiner import familiarity, intervals
from nem2e_tf.signals import Weights

CARD = "card.json"
Maximum = Annotated[PositiveFloat, Field(allow_inf_nan=False)]


class Source(BaseModel):
    """A recording that a refiner was fitted on: which part of it, and of whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str
    task: str
    start: float
    end: float
    synthetic: bool


class Card(BaseModel):
    """What has to be known of a refiner to use it and to judge it.

    Args:
        name: what it is called.
        summary: what it is for, in a sentence or two, with its limits.
        inputs: channels of simulated activity, in the network's order.
        outputs: channels of EMG envelopes, in the network's order.
        muscles: the muscle map, as plain tables; covers inputs and outputs.
        rate: Hz.
        window: seconds that the network sees at once.
        input_maximum: by channel, what the network calls 1 of the simulated activity.
        output_maximum: by channel, the envelope that the network calls 1.
        unit: what an envelope of 1 means.
        fitted_on: the data.
        scores: by channel, errors on data that the fit never saw.
        versions: the packages that made it.
        interval: by output, how far measured envelopes of people unseen in fitting were from
            refined ones, both as shares of the channel's maximum; None if that is not known.
        familiar: ranges of the simulated activity that it was fitted on, as
            `nem2e_tf.refiner.familiarity.fit_ranges` gives them; None if they are not known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    summary: str
    inputs: list[str]
    outputs: list[str]
    muscles: dict[str, list[Weights]]
    rate: Annotated[PositiveFloat, Field(le=LARGEST_RATE)]
    window: Annotated[PositiveFloat, Field(le=LONGEST_WINDOW)]
    input_maximum: dict[str, Maximum]
    output_maximum: dict[str, Maximum]
    unit: str
    fitted_on: list[Source]
    scores: dict[str, Any]
    versions: dict[str, str]
    interval: dict[str, intervals.Offsets] | None = None
    familiar: dict[str, tuple[FiniteFloat, FiniteFloat]] | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Card":
        for channel in {*self.inputs, *self.outputs} - set(self.muscles):
            raise ValueError(f"channel '{channel}' is not in muscles")
        if set(self.inputs) != set(self.input_maximum):
            raise ValueError("input_maximum does not list the inputs")
        if set(self.outputs) != set(self.output_maximum):
            raise ValueError("output_maximum does not list the outputs")
        if not self.inputs or not self.outputs:
            raise ValueError("no inputs or no outputs")
        if self.window * self.rate < 2:
            raise ValueError("the window is shorter than two frames")
        if self.interval is not None and set(self.interval) != set(self.outputs):
            raise ValueError("interval does not list the outputs")
        if self.familiar is not None:
            if list(self.familiar) != familiarity.feature_names(self.inputs):
                raise ValueError("familiar does not describe the inputs")
            if any(low >= high for low, high in self.familiar.values()):
                raise ValueError("a range of familiar is empty")
        return self

    @classmethod
    def read(cls, path: Path) -> "Card":
        """Read card.json; `InputError` where it is missing or wrong."""
        if not path.is_file():
            raise InputError(f"{path.parent}: no {path.name} in this folder; it is not a refiner")
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise InputError(f"{path}: {place}: {first['msg']}") from None

    def write(self, path: Path) -> None:
        """Write card.json."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False)
        with replace_file(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8", newline="\n")


def versions() -> dict[str, str]:
    """Versions of the packages that make a refiner."""
    return {name: importlib.metadata.version(name) for name in ("nem2e-tf", "tensorflow", "keras")}
