"""What is known of a trial's result: the content of its result.json."""

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
    """A part of result.json: nothing unknown, and numbers that are none as text."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


Row = TypeVar("Row", bound=Table)


class InputFile(Table):
    """A file that came in, under the name that was given, and its content's SHA-256."""

    path: str
    sha256: str


class Inputs(Table):
    """All that a result depends on.

    Args:
        files: by what they are: `model`; `motion` or `markers`; `moments` or `loads`, with
            `forces`, the data file of the loads; `tasks`, `emg`, `muscles`.
        up: axis of a .c3d that was said to point up.
        side: `r` or `l`.
        start: seconds that were asked for; None is the whole recording.
        end: seconds.
        solver: as `nem2e_tf.simulation.simulate` names them.
        paths: `exact` or `polynomial`.
        refiner: SHA-256 of the refiner's card and network.
        runtime: what ran the network.
        versions: of the packages that did the work.
    """

    files: dict[str, InputFile]
    up: str | None
    side: Annotated[str, Field(pattern="^[rl]$")]
    start: float | None
    end: float | None
    solver: str
    paths: str
    refiner: str
    runtime: str
    versions: dict[str, str]

    def unlike(self, other: "Inputs") -> str | None:
        """The first thing that is not the same; None where files of other names say the same."""
        for name in type(self).model_fields:
            ours, theirs = getattr(self, name), getattr(other, name)
            if name == "files":
                for role in {**ours, **theirs}:
                    one, another = ours.get(role), theirs.get(role)
                    if one is None or another is None or one.sha256 != another.sha256:
                        return role
            elif ours != theirs:
                return name
        return None


class Model(Table):
    """The OpenSim model: its name, mass in kilograms, and the publications that it names."""

    name: str
    mass: PositiveFloat
    publications: str


class Fitted(Table):
    """What has to be known of the refiner, from its card: see `nem2e_tf.refiner.Card`.

    Args:
        name: of the refiner.
        summary: what it is for, and its limits.
        unit: what an envelope of 1 means.
        recorded: how many recorded people it was fitted on.
        virtual: how many virtual ones.
    """

    name: str
    summary: str
    unit: str
    recorded: int
    virtual: int


class Gap(Table):
    """Samples that were missing: of what, how many seconds in all, and what was done."""

    of: str
    seconds: NonNegativeFloat
    remedy: str


class Unheld(Table):
    """When more than a share of the body's weight hung in the air: from, to, seconds in all."""

    share: float
    start: float
    end: float
    seconds: NonNegativeFloat


class MarkerError(Table):
    """Of one marker: see `nem2e_tf.simulation.kinematics.marker_errors`."""

    rms: float
    worst: float
    time: float
    missing: float


class Errors(Table):
    """Of one muscle: see `nem2e_tf.signals.metrics.score_table`."""

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
    """What the refiner did to time: see `nem2e_tf.refiner.distortion.Distortion`.

    Args:
        cycle: seconds.
        origin: the muscle whose refined peak is at 0 % of the cycle.
        delay: by muscle, mean ms by which the simulation was late; NaN where that is not certain.
        offsets: ms from the frame that is refined, positive where later ones are looked at.
        attention: `(100, offsets)`, share of attention along the cycle.
    """

    cycle: PositiveFloat
    origin: str
    delay: dict[str, float]
    offsets: list[FiniteFloat]
    attention: list[list[Annotated[FiniteFloat, Field(ge=0, le=1)]]]


class Facts(Table):
    """What result.json holds.

    Args:
        name: of the recording.
        inputs: what the result depends on.
        model: the model that was simulated.
        refiner: the refiner that was used.
        muscles: names of the refined envelopes.
        start: first second of the result.
        end: last second.
        rate: Hz of the envelopes.
        gaps: what was missing.
        unheld: when loads did not hold the model up; None if never, or if moments were given.
        marker_errors: by marker, metres and seconds; None where the motion was given.
        verdict: on the simulation.
        timing: None where the recording or the runtime cannot tell.
        scores: None where no EMG was given.
        unlike: what of the simulation is unlike all that the refiner was fitted on.
        notes: what was said on the way, of files and what was done with them.
    """

    format: Literal[1] = 1
    name: str
    inputs: Inputs
    model: Model
    refiner: Fitted
    muscles: list[str]
    start: FiniteFloat
    end: FiniteFloat
    rate: PositiveFloat
    gaps: list[Gap]
    unheld: Unheld | None
    marker_errors: dict[str, MarkerError] | None
    verdict: Verdict
    timing: Timing | None
    scores: Scores | None
    unlike: list[str]
    notes: list[str]

    @property
    def warnings(self) -> list[str]:
        """Sentences that have to be read before the result is used."""
        hanging = []
        if self.unheld is not None:
            hanging.append(
                f"for {self.unheld.seconds:.2f} s between {self.unheld.start:.2f} and"
                f" {self.unheld.end:.2f} s more than {100 * self.unheld.share:.0f} % of the model's"
                " weight is held by no force: forces of a step are missing, or the model is"
                " heavier than the person; joint moments there are wrong"
            )
        return [*hanging, *self.unlike, *self.verdict.warnings()]

    def errors(self) -> pd.DataFrame | None:
        """The marker errors, as `nem2e_tf.simulation.kinematics.marker_errors` gives them."""
        if self.marker_errors is None:
            return None
        rows = {name: error.model_dump() for name, error in self.marker_errors.items()}
        return pd.DataFrame.from_dict(rows, orient="index")


def by_name(row: type[Row], frame: pd.DataFrame) -> dict[str, Row]:
    """The rows of a frame under their names in its index."""
    return {str(name): row.model_validate(of) for name, of in frame.to_dict("index").items()}
