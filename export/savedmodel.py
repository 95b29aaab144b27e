"""A refiner as a SavedModel: `python -m export.savedmodel saved_models/walking`.

Signatures, for any number of windows:

    serving_default  simulated                                         to  activity
    encode           simulated                          to  encoded, keys, mask, hidden
    decode_step      encoded, keys, mask, hidden, carry, activity  to  hidden, carry, activity

`encode` and `decode_step` are `serving_default` in steps: the first `carry` and `activity` are
zero, and step `i` takes of `encoded`, `keys` and `mask` the entries from `i` on, as many as
`decode_step` takes.
"""

from functools import partial
from pathlib import Path
from typing import Any

from nem2e_tf.cli import terminal
from nem2e_tf.refiner import Refiner
from nem2e_tf.refiner.runtimes import open_saved_model

from .forms import Form, choose_recipes, command

RECIPES = ("float32",)


def make_signatures(model: Any) -> dict[str, Any]:
    """The network as `tf.function`s.

    Args:
        model: keras.Model made by `nem2e_tf.network.stdr_net.stdr_net`.

    Returns:
        By name: `simulated` `(batch, time, inputs)`; `activity` `(batch, time, outputs)` of
        `serving_default`, `(batch, frames of a step * outputs)` of `decode_step`; `encoded`
        `(batch, steps + before + after, features)`, `keys` `(batch, steps + before + after,
        attention_units)`, `mask` `(batch, steps + before + after)` bool; `hidden` and `carry`
        `(batch, decoder_units)`; all but the mask float32.
    """
    import tensorflow as tf

    from nem2e_tf.network.decoding import pad_for_attention

    fold, mask_layer, encoder, decoder = map(
        model.get_layer, ("steps", "mask", "encoder", "decoder")
    )
    attended = None if decoder.attention_window is None else sum(decoder.attention_window) + 1

    def serve(simulated: Any) -> dict[str, Any]:
        return {"activity": model(simulated, training=False)}

    def encode(simulated: Any) -> dict[str, Any]:
        steps = fold(simulated)
        mask = mask_layer(steps)
        encoded = encoder(steps, mask=mask, training=False)
        return {
            "encoded": pad_for_attention(encoded, decoder.attention_window, axis=1),
            "keys": pad_for_attention(decoder.key(encoded), decoder.attention_window, axis=1),
            "mask": pad_for_attention(mask, decoder.attention_window, axis=1),
            "hidden": decoder.first_state(encoded[:, 0]),
        }

    def decode_step(
        encoded: Any, keys: Any, mask: Any, hidden: Any, carry: Any, activity: Any
    ) -> dict[str, Any]:
        activity, _, (hidden, carry) = decoder.step(encoded, keys, mask, activity, [hidden, carry])
        return {"hidden": hidden, "carry": carry, "activity": activity}

    def signature(function: Any, **shapes: tuple[int | None, ...]) -> Any:
        return tf.function(
            function,
            input_signature=[
                tf.TensorSpec((None, *shape), tf.bool if name == "mask" else tf.float32, name)
                for name, shape in shapes.items()
            ],
        )

    window = (None, model.input_shape[-1])
    return {
        "serving_default": signature(serve, simulated=window),
        "encode": signature(encode, simulated=window),
        "decode_step": signature(
            decode_step,
            encoded=(attended, encoder.output.shape[-1]),
            keys=(attended, decoder.attention_units),
            mask=(attended,),
            hidden=(decoder.units,),
            carry=(decoder.units,),
            activity=(decoder.outputs,),
        ),
    }


def forms(refiner: Refiner, recipes: list[str] | None = None) -> list[Form]:
    """The form of a refiner as a SavedModel."""
    return [
        Form("savedmodel", recipe, True, partial(_write, refiner.model), open_saved_model)
        for recipe in choose_recipes(recipes, RECIPES)
    ]


def _write(model: Any, folder: Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    # TensorFlow's own: a Keras variable is saved as a copy, which is what a session, as in
    # TensorFlow Serving, restores, while the signatures read the empty original. Without the random
    # states of dropout, which would make every export another.
    module.variables_of_the_network = [variable.value for variable in model.weights]
    with terminal.silence_native_code():
        tf.saved_model.save(module, folder / "savedmodel", signatures=make_signatures(model))
    _name_by_content(folder / "savedmodel" / "fingerprint.pb")


def _name_by_content(path: Path) -> None:
    """Put a checksum in place of a fingerprint's random UUID: the same network, the same bytes."""
    from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef

    fingerprint = FingerprintDef.FromString(path.read_bytes())
    fingerprint.uuid = str(fingerprint.saved_model_checksum ^ fingerprint.checkpoint_hash)
    path.write_bytes(fingerprint.SerializeToString(deterministic=True))


if __name__ == "__main__":
    terminal.run(command("savedmodel/", RECIPES, forms))
