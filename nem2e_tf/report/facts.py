"""The content of a result's result.json."""

from typing import Annotated, Literal, TypeVar

import pandas as pd
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeFloat,
    PositiveFloat,
)

from nem2e_tf.simulation import Verdict


class Table(BaseModel):
    """A part of result.json. Unknown keys are refused; NaN and infinity are written as strings."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, ser_json_inf_nan="strings"
    )


Row = TypeVar("Row", bound=Table)


class InputFile(Table):
    """An input file: its path as it was given, and the SHA-256 of its content."""

    path: str
    sha256: str


class Inputs(Table):
    """Everything that a result depends on.

    Args:
        files: by role: `model`; `motion` or `markers`; `moments` or `loads`, with `forces`, the
            data file of the loads; `tasks`, `emg`, `muscles`, `marker_names`.
        up: axis of a .c3d file that was declared to point up.
        marker_prefix: subject of a file of markers with several, where one was named.
        side: `r` or `l`.
        start: requested start in seconds; None is the whole recording.
        end: seconds.
        solver: as `nem2e_tf.simulation.simulate` names them.
        paths: `exact` or `polynomial`.
        refiner: SHA-256 of the refiner's card and network.
        runtime: runtime of the network.
        versions: of the packages that made the result.
    """

    files: dict[str, InputFile]
    up: str | None
    marker_prefix: str | None = None
    side: Annotated[str, Field(pattern="^[rl]$")]
    start: float | None
    end: float | None
    solver: str
    paths: str
    refiner: str
    runtime: str
    versions: dict[str, str]

    def first_difference(self, other: "Inputs") -> str | None:
        """Name of the first input that differs; None if all agree. Names of files do not count."""
        for name in type(self).model_fields:
            value, other_value = getattr(self, name), getattr(other, name)
            if name == "files":
                for role in {**value, **other_value}:
                    file, other_file = value.get(role), other_value.get(role)
                    if file is None or other_file is None or file.sha256 != other_file.sha256:
                        return role
            elif value != other_value:
                return name
        return None


class Model(Table):
    """The OpenSim model: its name, mass in kilograms, and the publications that it names."""

    name: str
    mass: PositiveFloat
    publications: str


class RefinerFacts(Table):
    """The refiner, from its card: see `nem2e_tf.refiner.Card`.

    Args:
        name: of the refiner.
        summary: what it is for, and its limits.
        unit: what an envelope of 1 means.
        recorded: number of recorded people that it was fitted on.
        virtual: number of virtual people.
    """

    name: str
    summary: str
    unit: str
    recorded: int
    virtual: int


class Gap(Table):
    """Missing samples: of which recording, how many seconds in all, and how they were replaced."""

    of: str
    seconds: NonNegativeFloat
    remedy: str


class Unsupported(Table):
    """When recorded forces did not support more than a share of the body's weight.

    Args:
        share: of body weight.
        start: seconds, of the first unsupported frame.
        end: seconds, of the last one.
        seconds: in all.
    """

    share: float
    start: float
    end: float
    seconds: NonNegativeFloat


class MarkerError(Table):
    """Errors of one marker: see `nem2e_tf.simulation.kinematics.marker_errors`."""

    rms: float
    worst: float
    time: float
    missing: float


class Errors(Table):
    """Scores of one muscle: see `nem2e_tf.signals.metrics.score_table`."""

    rmse: float
    nrmse: float
    r: float
    r2: float
    lag_ms: float


class Scores(Table):
    """Errors against measured EMG, by muscle, and what was measured but not estimated."""

    refined: dict[str, Errors]
    simulated: dict[str, Errors]
    unscored: list[str]


class Timing(Table):
    """Timing distortion that the refiner corrected: see `nem2e_tf.refiner.distortion.Distortion`.

    Args:
        cycle: seconds.
        origin: the muscle whose refined peak is at 0 % of the cycle.
        delay: by muscle, mean ms by which the simulation was late; NaN where it is uncertain.
        offsets: ms from the refined frame, positive for later frames.
        attention: `(100, offsets)`, attention weights along the cycle.
    """

    cycle: PositiveFloat
    origin: str
    delay: dict[str, float]
    offsets: list[FiniteFloat]
    attention: list[list[Annotated[FiniteFloat, Field(ge=0, le=1)]]]


class Facts(Table):
    """The content of result.json.

    Args:
        name: of the recording.
        inputs: everything that the result depends on.
        model: the simulated model.
        refiner: the refiner.
        muscles: names of the refined envelopes.
        start: first second of the result.
        end: last second.
        rate: Hz of the envelopes.
        gaps: missing samples.
        unsupported: when loads did not support the model; None if never, or if moments were given.
            `unheld` in the file.
        marker_errors: by marker, metres and seconds; None if the motion was given.
        verdict: on the simulation.
        timing: None if the recording or the runtime does not allow it.
        scores: None if no EMG was given.
        unfamiliar: in which ways the simulation differs from the refiner's training data. `unlike`
            in the file.
        notes: messages about files and how they were processed.
    """

    format: Literal[1] = 1
    name: str
    inputs: Inputs
    model: Model
    refiner: RefinerFacts
    muscles: list[str]
    start: FiniteFloat
    end: FiniteFloat
    rate: PositiveFloat
    gaps: list[Gap]
    unsupported: Unsupported | None = Field(validation_alias="unheld", serialization_alias="unheld")
    marker_errors: dict[str, MarkerError] | None
    verdict: Verdict
    timing: Timing | None
    scores: Scores | None
    unfamiliar: list[str] = Field(validation_alias="unlike", serialization_alias="unlike")
    notes: list[str]

    @property
    def warnings(self) -> list[str]:
        """Sentences to read before the result is used."""
        support = []
        if (missing := self.unsupported) is not None:
            support.append(
                f"for {missing.seconds:.2f} s between {missing.start:.2f} and {missing.end:.2f} s"
                f" more than {100 * missing.share:.0f} % of the model's"
                " weight is held by no force: forces of a step are missing, or the model is"
                " heavier than the person; joint moments there are wrong"
            )
        return [*support, *self.unfamiliar, *self.verdict.warnings()]

    def marker_error_table(self) -> pd.DataFrame | None:
        """Marker errors as a table, see `nem2e_tf.simulation.kinematics.marker_errors`."""
        if self.marker_errors is None:
            return None
        rows = {name: error.model_dump() for name, error in self.marker_errors.items()}
        return pd.DataFrame.from_dict(rows, orient="index")


def rows_by_name(row: type[Row], frame: pd.DataFrame) -> dict[str, Row]:
    """Rows of a frame by their names in its index."""
    return {str(name): row.model_validate(of) for name, of in frame.to_dict("index").items()}
