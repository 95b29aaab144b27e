"""The EMG files of one subject's session, processed together."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files import check_folder, check_output
from nem2e_tf.signals.emg import (
    BAND,
    CUTOFF,
    check_settings,
    envelopes,
    normalise_envelopes,
    read_raw,
)
from nem2e_tf.signals.emg_faults import find_faults
from nem2e_tf.signals.filters import check_continuous, sampling_rate


@dataclass(frozen=True)
class Session:
    """Envelopes of a session.

    Args:
        trials: by raw file, `(frames, channels)` at 100 Hz, 1 the maximum of the session or of its
            maximal voluntary contractions. Dead channels are left out.
        faults: sentences about channels, each with its file and channel.
    """

    trials: dict[Path, pd.DataFrame]
    faults: list[str]


def process_session(
    raw: Sequence[str | os.PathLike[str]],
    mvc: Sequence[str | os.PathLike[str]] = (),
    *,
    channels: Sequence[str] | None = None,
    band: tuple[float, float] = BAND,
    cutoff: float = CUTOFF,
    notch: float | None = None,
) -> Session:
    """Read, check, filter and normalise the raw EMG of one subject and one set of electrodes.

    Args:
        raw: sequence of paths. The trials.
        mvc: sequence of paths. Raw EMG of maximal voluntary contractions; none normalises by the
            largest value over all trials.
        channels: sequence of str or None. The channels to keep; None keeps all.
        band: pair of floats. Hz.
        cutoff: float. Hz.
        notch: float or None. Hz.

    Raises:
        InputError: a file cannot be read, trials differ in their channels, or all channels are
            dead.
    """
    files = [Path(file) for file in raw]
    recorded = {file: read_raw(file, channels) for file in (*files, *(Path(f) for f in mvc))}
    first = list(recorded[files[0]].columns)
    for file in files[1:]:
        if set(recorded[file].columns) != set(first):
            odd = sorted(set(recorded[file].columns) ^ set(first))[0]
            raise InputError(
                f"{file}: its channels are not those of {files[0]} ('{odd}' is in one of them);"
                " trials that are normalised together need the same ones; name them with --channel"
            )
    for file, frame in recorded.items():
        check_continuous(frame, str(file))
        check_settings(str(file), sampling_rate(frame), band, cutoff, notch)
    found_faults, dead = [], set()
    for file, frame in recorded.items():
        for channel, sentences in find_faults(frame).items():
            found_faults += [f"{file}: {channel}: {sentence}" for sentence in sentences]
            if any(sentence.startswith("dead") for sentence in sentences):
                dead.add(channel)
    kept = [channel for channel in first if channel not in dead]
    if not kept:
        raise InputError(f"{files[0]}: all channels are dead: {', '.join(first)}")
    smooth = {
        file: envelopes(frame[[c for c in frame.columns if c not in dead]],
                        band=band, cutoff=cutoff, notch=notch)
        for file, frame in recorded.items()
    }  # fmt: skip
    done = normalise_envelopes(
        [smooth[file][kept] for file in files], [smooth[Path(f)] for f in mvc]
    )
    return Session(dict(zip(files, done, strict=True)), found_faults)


def output_paths(
    raw: Sequence[Path], output: Path, others: Sequence[Path] = ()
) -> dict[Path, Path]:
    """Where each trial's envelopes go: one trial to a file, several into a folder.

    Args:
        raw: sequence of paths. The trials.
        output: path. An .sto for one trial; a folder for several, which keep their names.
        others: sequence of paths. More inputs that must not be overwritten.

    Raises:
        InputError: the output cannot be written, or two trials have the same name.
    """
    inputs = [*raw, *others]
    if len(raw) == 1:
        return {raw[0]: check_output(output, (".sto",), inputs)}
    if output.suffix.lower() == ".sto":
        raise InputError(f"{output}: {len(raw)} trials cannot go into one file; name a folder")
    check_folder(output)
    places = {file: output / f"{file.stem}.sto" for file in raw}
    if len(set(places.values())) < len(raw):
        raise InputError(f"{output}: two trials have the same name; rename one")
    return {file: check_output(place, (".sto",), inputs) for file, place in places.items()}
