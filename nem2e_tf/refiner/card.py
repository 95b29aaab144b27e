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
    """A recording that a refiner was fitted on: subject, task and time range in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str
    task: str
    start: float
    end: float
    synthetic: bool


class Card(BaseModel):
    """The description of a refiner, the content of card.json.

    Args:
        name: of the refiner.
        summary: intended use and limits, in a sentence or two.
        inputs: channels of simulated activity, in the network's order.
        outputs: channels of EMG envelopes, in the network's order.
        muscles: the muscle map, as plain tables; covers inputs and outputs.
        rate: Hz.
        window: length of the input window in seconds.
        input_maximum: by channel, the simulated activity that is 1 for the network.
        output_maximum: by channel, the envelope that is 1 for the network.
        unit: meaning of an envelope of 1.
        fitted_on: training data.
        scores: by channel, errors on held-out data.
        versions: of the packages that made the refiner.
        interval: by output, offsets of the prediction interval for new people, relative to the
            channel's maximum; None if there are none.
        familiar: ranges of the features of the training data, as
            `nem2e_tf.refiner.familiarity.fit_ranges` returns them; None if there are none.
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
        """Read card.json; `InputError` if it is missing or wrong."""
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
    """Versions of the packages that a refiner depends on."""
    return {name: importlib.metadata.version(name) for name in ("nem2e-tf", "tensorflow", "keras")}
