"""A recording session of a virtual person: measured signals and true activations."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nem2e_tf.cohort.excitation import emg_amplitude, excitation, vary_between_strides
from nem2e_tf.cohort.leg import build_leg
from nem2e_tf.cohort.physiology import Physiology, sample_physiology, true_activation
from nem2e_tf.cohort.strides import Strides, walk_or_run
from nem2e_tf.cohort.subject import Subject
from nem2e_tf.cohort.surface import record_emg
from nem2e_tf.signals import normalise_envelopes
from nem2e_tf.simulation import LegModel, load_leg

STRENGTH = 1.8
"""Factor of muscle strength over `leg.yaml`, whose forces come from cadavers. Muscle volumes of
young adults (Handsfield GG et al. 2014, J Biomech 47:631-638) give forces 1.5 to 2.7 times as large
in Rajagopal A et al. (2016), IEEE Trans Biomed Eng 63:2068-2079; with less, running saturates."""


@dataclass(frozen=True)
class VirtualTrial:
    """One task of a virtual person.

    Args:
        task: str.
        strides: Strides. The motion and moments that a laboratory records.
        activation: `(frames, muscles)`, true.
        excitation: `(frames, muscles)`, true, at the time at which the EMG shows it.
        emg: `(frames, electrodes)`, envelopes, 1 the person's largest over all tasks.
        raw: `(samples, electrodes)` in mV, or None where no cause makes a raw signal.
    """

    task: str
    strides: Strides
    activation: pd.DataFrame
    excitation: pd.DataFrame
    emg: pd.DataFrame
    raw: pd.DataFrame | None


@dataclass(frozen=True)
class VirtualSession:
    """All tasks of one person.

    Args:
        subject: Subject.
        physiology: the person's hidden parameters.
        trials: by task, in the order asked for.
    """

    subject: Subject
    physiology: Physiology
    trials: dict[str, VirtualTrial]


def write_leg(subject: Subject, path: Path) -> LegModel:
    """Write the model that a laboratory would use for a person, and read it back."""
    import opensim

    # OpenSim would write a log file into the working folder.
    opensim.Logger.setLevelString("Off")
    opensim.Logger.removeFileSink()
    leg = build_leg(subject.mass, subject.height, subject.proportions, STRENGTH)
    leg.setName(subject.name)
    leg.printToXML(str(path))
    return load_leg(path, "r")


def record_session(
    subject: Subject,
    tasks: Sequence[str],
    strides: int,
    active_causes: frozenset[str],
    leg: LegModel | None = None,
) -> VirtualSession:
    """Simulate a session in which a virtual person walks and runs.

    Args:
        subject: Subject.
        tasks: `walking`, `running` or both.
        strides: of each task.
        active_causes: names of the causes that act, from `select_causes`.
        leg: from `write_leg`, or None to make one.
    """
    if leg is None:
        with tempfile.TemporaryDirectory() as folder:
            leg = write_leg(subject, Path(folder) / "leg.osim")
    physiology = sample_physiology(subject, leg.muscles, active_causes)
    recorded: dict[str, tuple[Strides, pd.DataFrame, pd.DataFrame, pd.DataFrame | None]] = {}
    envelopes = []
    for task in tasks:
        performed = walk_or_run(subject, task, strides, active_causes)
        activation = true_activation(leg, performed, physiology, subject.speeds[task], task)
        drive = excitation(activation, physiology)
        drive = vary_between_strides(drive, performed, subject, task, physiology)
        emg, raw = record_emg(
            subject,
            task,
            performed,
            emg_amplitude(drive, physiology),
            physiology.slowing,
            active_causes,
        )
        # The strides before and after are left out, in which filters and delays settle.
        envelopes.append(emg.loc[performed.start - 1e-6 : performed.end + 1e-6])
        recorded[task] = (performed, activation, drive, raw)
    trials = {
        task: VirtualTrial(task, performed, activation, drive, emg, raw)
        for (task, (performed, activation, drive, raw)), emg in zip(
            recorded.items(), normalise_envelopes(envelopes), strict=True
        )
    }
    return VirtualSession(subject, physiology, trials)
