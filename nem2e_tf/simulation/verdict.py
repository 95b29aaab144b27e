"""Verdict on a simulation: its reserve actuators and residuals against thresholds."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.signals import low_pass, resample
from nem2e_tf.simulation.model import LegModel
from nem2e_tf.simulation.simulate import CUTOFF, RESERVE_SUFFIX

LARGEST_RESERVE = 0.05
"""Of the net joint moment, peak against peak and RMS against RMS (Hicks et al. 2015). OpenSim's
user guide accepts 0.10 of the peak."""

LARGEST_RESIDUAL_FORCE = 0.05
"""Of the peak net external force, for peak and RMS residual force (Hicks et al. 2015, 3.1.3)."""

LARGEST_RESIDUAL_MOMENT = 0.01
"""Of the height of the centre of mass times the peak net external force (Hicks et al. 2015)."""

NEGLIGIBLE = 1.0
"""N m. A smaller reserve is ignored, however small the joint moment (a leg in swing)."""

GRAVITY = 9.80665
SOURCE = "Hicks et al. 2015"
RESIDUALS = {
    "force": ("pelvis_tx_force", "pelvis_ty_force", "pelvis_tz_force"),
    "moment": ("pelvis_tilt_moment", "pelvis_list_moment", "pelvis_rotation_moment"),
}


@dataclass(frozen=True)
class Reserve:
    """The moment that a coordinate's reserve actuator added to its muscles.

    Args:
        coordinate: str.
        peak: float. Largest reserve, N m.
        peak_time: float. Its time, in seconds.
        rms: float. Of the reserve, N m.
        peak_share: float. `peak` over the peak net joint moment.
        rms_share: float. `rms` over the RMS net joint moment.
        time_share: float. Part of the frames whose reserve is beyond the threshold on the peak.
        is_sound: bool. Both shares are within `LARGEST_RESERVE`, or the reserve is `NEGLIGIBLE`.
    """

    coordinate: str
    peak: float
    peak_time: float
    rms: float
    peak_share: float
    rms_share: float
    time_share: float
    is_sound: bool

    def sentence(self) -> str:
        """The warning about this coordinate."""
        if self.peak_share >= LARGEST_RESERVE:
            share = f"{100 * self.peak_share:.0f} % of peak moment at {self.peak_time:.1f} s"
        else:
            share = f"{100 * self.rms_share:.0f} % of RMS moment"
        return (
            f"{self.coordinate} relies on its reserve actuator: {share}; the forces of this trial"
            " may be contaminated, or the model too weak"
        )


@dataclass(frozen=True)
class Residual:
    """The residual force or moment of inverse dynamics at the pelvis, which no real load provides.

    Args:
        kind: str. `force` (N) or `moment` (N m), the length of the three components' vector.
        peak: float. Largest residual.
        peak_time: float. Its time, in seconds.
        rms: float.
        peak_share: float. Of the external force, or of it times the height of the centre of mass.
        rms_share: float. The same of `rms`.
        largest: float. The largest accepted share.
        is_sound: bool. Peak below `largest`.
    """

    kind: str
    peak: float
    peak_time: float
    rms: float
    peak_share: float
    rms_share: float
    largest: float
    is_sound: bool

    def sentence(self) -> str:
        """The note about this residual."""
        unit = "N" if self.kind == "force" else "N m"
        return (
            f"the residual {self.kind} at the pelvis reaches {self.peak:.0f} {unit} at"
            f" {self.peak_time:.1f} s, {100 * self.peak_share:.0f} % where {SOURCE} accept"
            f" {100 * self.largest:.0f} %; motion, forces and the model's masses are inconsistent"
        )


@dataclass(frozen=True)
class Verdict:
    """Reserves by coordinate and residuals of one simulation.

    Args:
        start: float. Seconds, of the range that is judged.
        end: float. Seconds.
        reserves: tuple of Reserve, in the order of the leg's coordinates.
        residuals: tuple of Residual; empty if the joint moments hold no pelvis.
        external_force: float. N; the residuals are shares of it.
        has_measured_force: bool. That force was measured; if not, it is the model's body weight.
    """

    start: float
    end: float
    reserves: tuple[Reserve, ...]
    residuals: tuple[Residual, ...]
    external_force: float
    has_measured_force: bool

    @property
    def is_sound(self) -> bool:
        """Whether the muscles give the joint moments, within `LARGEST_RESERVE`.

        Residuals are not counted: inverse dynamics of a sound recording is seldom within their
        thresholds, which are for a motion whose residuals have been reduced.
        """
        return all(reserve.is_sound for reserve in self.reserves)

    def warnings(self) -> list[str]:
        """A sentence for every coordinate that relies on its reserve actuator."""
        return [reserve.sentence() for reserve in self.reserves if not reserve.is_sound]

    def notes(self) -> list[str]:
        """A sentence for every residual beyond its threshold."""
        return [residual.sentence() for residual in self.residuals if not residual.is_sound]

    def as_json(self) -> dict[str, Any]:
        """Everything, in tables and lists."""
        return {
            "sound": self.is_sound,
            **_plain(self),
            "reserves": [_plain(reserve) for reserve in self.reserves],
            "residuals": [_plain(residual) for residual in self.residuals],
            "thresholds": {
                "source": SOURCE,
                "reserve": LARGEST_RESERVE,
                "residual_force": LARGEST_RESIDUAL_FORCE,
                "residual_moment": LARGEST_RESIDUAL_MOMENT,
            },
            "warnings": self.warnings(),
            "notes": self.notes(),
        }

    def report(self, **facts: object) -> dict[str, Any]:
        """A table of the given facts (paths as text), the range and this verdict."""
        texts = {
            name: str(fact) if isinstance(fact, Path) else fact for name, fact in facts.items()
        }
        return {**texts, "start": self.start, "end": self.end, "verdict": self.as_json()}


def judge_simulation(
    leg: LegModel,
    simulated: pd.DataFrame,
    moments: pd.DataFrame,
    external_force: float | None = None,
) -> Verdict:
    """Judge a simulation by Hicks et al. (2015, J Biomech Eng 137:020905).

    Args:
        leg: LegModel.
        simulated: `(frames, columns)` from `simulate`; the `<coordinate>_reserve` columns, N m.
        moments: `(rows, generalised forces)` that were simulated, unfiltered, N m and N, columns
            `<coordinate>_moment` and, for residuals, `pelvis_…_moment` and `pelvis_…_force`.
        external_force: float or None. Peak net external force, N. None: the model's body weight,
            which walking exceeds by a fifth and running twofold, so that residuals are judged
            too severely rather than too mildly.

    Raises:
        InputError: a coordinate's reserve or moment is missing.
    """
    moments_name = str(moments.attrs.get("path", "moments"))
    for coordinate in leg.coordinates:
        for column, frame, name in (
            (f"{coordinate}{RESERVE_SUFFIX}", simulated, "the simulation"),
            (f"{coordinate}_moment", moments, moments_name),
        ):
            if column not in frame:
                raise InputError(
                    f"{name}: no column '{column}'; {suggest_name(column, frame.columns)}"
                )
    columns = [f"{coordinate}_moment" for coordinate in leg.coordinates]
    kinds = {
        kind: list(names) for kind, names in RESIDUALS.items() if set(names) <= set(moments.columns)
    }
    selected = [*columns, *(name for names in kinds.values() for name in names)]
    times = simulated.index.to_numpy()
    part = moments.loc[times[0] - 1.0 : times[-1] + 1.0, selected]
    net = resample(low_pass(part, CUTOFF, moments_name), times)
    force = external_force or leg.mass * GRAVITY
    scales = {"force": force, "moment": force * _centre_of_mass_height(leg)}
    largest = {"force": LARGEST_RESIDUAL_FORCE, "moment": LARGEST_RESIDUAL_MOMENT}
    return Verdict(
        start=float(times[0]),
        end=float(times[-1]),
        reserves=tuple(_reserve(c, simulated, net) for c in leg.coordinates),
        residuals=tuple(
            _residual(kind, net[names], scales[kind], largest[kind])
            for kind, names in kinds.items()
        ),
        external_force=float(force),
        has_measured_force=external_force is not None,
    )


def _reserve(coordinate: str, simulated: pd.DataFrame, net: pd.DataFrame) -> Reserve:
    reserve = simulated[f"{coordinate}{RESERVE_SUFFIX}"].abs()
    moment = net[f"{coordinate}_moment"].abs()
    peak, rms = float(reserve.max()), _rms(reserve)
    peak_share, rms_share = _ratio(peak, float(moment.max())), _ratio(rms, _rms(moment))
    return Reserve(
        coordinate=coordinate,
        peak=peak,
        peak_time=float(reserve.index[int(reserve.argmax())]),
        rms=rms,
        peak_share=peak_share,
        rms_share=rms_share,
        time_share=float((reserve >= LARGEST_RESERVE * moment.max()).mean()) if peak else 0.0,
        is_sound=peak < NEGLIGIBLE or max(peak_share, rms_share) < LARGEST_RESERVE,
    )


def _residual(kind: str, components: pd.DataFrame, scale: float, largest: float) -> Residual:
    size = pd.Series(np.linalg.norm(components.to_numpy(), axis=1), index=components.index)
    peak, rms = float(size.max()), _rms(size)
    return Residual(
        kind=kind,
        peak=peak,
        peak_time=float(size.index[int(size.argmax())]),
        rms=rms,
        peak_share=_ratio(peak, scale),
        rms_share=_ratio(rms, scale),
        largest=largest,
        is_sound=peak < largest * scale,
    )


def _plain(record: Reserve | Residual | Verdict) -> dict[str, Any]:
    """The record's fields under the names that files have."""
    renamed = {"is_sound": "sound", "has_measured_force": "measured_force"}
    return {renamed.get(f.name, f.name): getattr(record, f.name) for f in fields(record)}


def _rms(values: pd.Series) -> float:
    return float(math.sqrt((values**2).mean()))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else (math.inf if part else 0.0)


def _centre_of_mass_height(leg: LegModel) -> float:
    """Metres from the lowest body's origin to the centre of mass, in the model's default pose."""
    state = leg.model.initializeState()
    leg.model.realizePosition(state)
    bodies = leg.model.getBodySet()
    origins = [bodies.get(i).getPositionInGround(state)[1] for i in range(bodies.getSize())]
    return float(leg.model.calcMassCenterPosition(state)[1] - min(origins))
