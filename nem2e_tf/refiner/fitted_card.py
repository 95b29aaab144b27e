"""The card of a network that was just fitted, from the recordings that it was fitted on."""

from collections.abc import Iterable, Mapping, Sequence

from nem2e_tf.pipeline import Pair, Shards, channel_maxima
from nem2e_tf.refiner.card import Card, Source, versions
from nem2e_tf.signals import RATE, MuscleMap

UNIT = "The largest envelope of the person in the task at hand."
"""What an envelope of 1 means where every person's own maximum is 1 in the fit."""


def make_card(
    name: str,
    shards: Shards,
    *,
    block: tuple[float, float] = (0.0, 1.0),
    input_maximum: Mapping[str, float] | None = None,
    output_maximum: Mapping[str, float] | None = None,
    window: float = 2.0,
    summary: str = "",
    unit: str = UNIT,
) -> Card:
    """Describe a network that was fitted on shards, so that it can be saved as a refiner.

    Args:
        name: of the refiner.
        shards: the recordings that the network was fitted on.
        block: shares (0-1) of every recording's length between which the fit used it.
        input_maximum: by input channel, in the network's order, the value that was scaled to 1.
            None is the largest value of each simulated channel in the block.
        output_maximum: by output channel, in the network's order, the envelope that an output of 1
            stands for. None is 1 for each measured channel, for a fit in which every person's own
            maximum is 1.
        window: seconds that the network processes at once.
        summary: what the refiner is for, and its limits.
        unit: what an envelope of 1 means.

    Returns:
        Card without scores, intervals and familiar ranges.

    Raises:
        ValueError: a channel is neither in the muscle map nor a joint angle of the shards, or the
            shards hold no recording.

    Example:

        card = make_card("mine", shards, block=(0.0, 0.6), input_maximum=input_maximum)
        save(Refiner(card, model), "my_refiner")
    """
    pairs = [pair.block(*block) for pair in shards.pairs()]
    return make_card_from_pairs(
        name,
        pairs,
        input_maximum=input_maximum or channel_maxima([pair.simulated for pair in pairs]),
        output_maximum=output_maximum or dict.fromkeys(shards.manifest.measured, 1.0),
        window=window,
        summary=summary,
        unit=unit,
    )


def make_card_from_pairs(
    name: str,
    pairs: Sequence[Pair],
    *,
    input_maximum: Mapping[str, float],
    output_maximum: Mapping[str, float],
    window: float,
    summary: str,
    unit: str,
) -> Card:
    """As `make_card`, from the pairs themselves; both maxima are needed."""
    if not pairs:
        raise ValueError("there is no recording to make a card from")
    channels = {channel: list(muscles) for channel, muscles in MuscleMap.load().channels.items()}
    # A joint angle is a column of its own name.
    angles = [name for name in input_maximum if name in pairs[0].angles and name not in channels]
    channels |= {name: [{name: 1.0}] for name in angles}
    used = {*input_maximum, *output_maximum}
    return Card(
        name=name,
        summary=summary,
        inputs=list(input_maximum),
        outputs=list(output_maximum),
        muscles={channel: muscles for channel, muscles in channels.items() if channel in used},
        rate=RATE,
        window=window,
        input_maximum=dict(input_maximum),
        output_maximum=dict(output_maximum),
        unit=unit,
        fitted_on=list_sources(pairs),
        scores={},
        versions=versions(),
    )


def list_sources(pairs: Iterable[Pair]) -> list[Source]:
    """The recordings of a fit; one that was simulated with several models is listed once."""
    sources = [
        Source(
            subject=pair.subject,
            task=pair.task,
            synthetic=pair.subject.startswith("virtual-"),
            start=round(float(pair.simulated.index[0]), 3),
            end=round(float(pair.simulated.index[-1]), 3),
        )
        for pair in pairs
    ]
    return list(dict.fromkeys(sources))
