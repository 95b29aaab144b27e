"""A refiner as TensorFlow Lite: `python -m export.tflite saved_models/walking`.

The decoder takes its own output back, step by step, so the file holds two signatures and leaves
the loop between them to the host:

    encode       simulated                                     to  encoded, keys, mask, hidden
    decode_step  encoded, keys, mask, hidden, carry, activity  to  hidden, carry, activity

`encode` runs once a window, `decode_step` once a step on what it returned for the step before, and
gives the frames of a step; the first `carry` and `activity` are zero. `encoded`, `keys` and `mask`
begin before the window by what attention reaches: step `i` takes the entries from `i` on, as many
as it sees. `LiteRT` is that loop. The file keeps no state.
"""

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from nem2e_tf import terminal
from nem2e_tf.errors import InputError
from nem2e_tf.files import check_output, replacing
from nem2e_tf.refiner import Refiner, load

TOLERANCE = 1e-5
"""The most that an output, 0-1, may differ from Keras in float32."""

WINDOWS = 20
"""Synthetic windows that an exported file is compared on."""

app = terminal.application("Export a refiner as TensorFlow Lite, in float32.")


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how near it is to Keras.

    Args:
        file: path as str.
        size: bytes.
        frames: frames in a window.
        synthetic_windows: windows of synthetic activity that were compared.
        worst_difference: largest absolute difference of any output in them.
    """

    file: str
    size: int
    frames: int
    synthetic_windows: int
    worst_difference: float


def step_functions(model: Any, frames: int) -> dict[str, Any]:
    """The network as graphs without a free-running loop and without variables.

    Args:
        model: keras.Model made by `nem2e_tf.stdr_net.stdr_net`.
        frames: int. Length of a window.

    Returns:
        The `tf.function`s `encode` and `decode_step`, for a batch of one, from and to tensors
        by name: `simulated` `(1, frames, inputs)`; `encoded` `(1, steps + 2 reach, features)`;
        `keys` `(1, steps + 2 reach, attention_units)`; `mask` `(1, steps + 2 reach)` bool, which
        `decode_step` takes `2 reach + 1` entries of, or all `steps` where attention has no bounds;
        `hidden` and `carry` `(1, decoder_units)`; `activity` `(1, frames of a step, outputs)`, all
        but the mask float32.
    """
    import keras
    import tensorflow as tf

    from nem2e_tf.decoding import around

    fold, mask_layer, encoder, decoder = map(
        model.get_layer, ("steps", "mask", "encoder", "decoder")
    )
    reach = decoder.reach
    seen = -(-frames // fold.frames) if reach is None else 2 * reach + 1
    of_a_step = (fold.frames, model.output_shape[-1])
    weights = [(variable, variable.numpy()) for variable in model.variables]

    def frozen(function: Callable[..., Any], **shapes: tuple[int, ...]) -> Any:
        # LiteRT finds no variables in the body of the encoder's loop: weights must be constants.
        def with_constants(*tensors: Any) -> Any:
            constants = [(variable, tf.constant(value)) for variable, value in weights]
            with keras.StatelessScope(state_mapping=constants):
                return function(*tensors)

        return tf.function(
            with_constants,
            input_signature=[
                tf.TensorSpec((1, *shape), tf.bool if name == "mask" else tf.float32, name)
                for name, shape in shapes.items()
            ],
        )

    def encode(simulated: Any) -> dict[str, Any]:
        steps = fold(simulated)
        mask = mask_layer(steps)
        encoded = encoder(steps, mask=mask, training=False)
        return {
            "encoded": around(encoded, reach, axis=1),
            "keys": around(decoder.key(encoded), reach, axis=1),
            "mask": around(mask, reach, axis=1),
            "hidden": decoder.first_state(encoded[:, 0]),
        }

    def decode_step(
        encoded: Any, keys: Any, mask: Any, hidden: Any, carry: Any, activity: Any
    ) -> dict[str, Any]:
        before = tf.reshape(activity, (1, -1))
        output, _, (hidden, carry) = decoder.step(encoded, keys, mask, before, [hidden, carry])
        return {"hidden": hidden, "carry": carry, "activity": tf.reshape(output, (1, *of_a_step))}

    return {
        "encode": frozen(encode, simulated=(frames, model.input_shape[-1])),
        "decode_step": frozen(
            decode_step,
            encoded=(seen, encoder.output.shape[-1]),
            keys=(seen, decoder.attention_units),
            mask=(seen,),
            hidden=(decoder.units,),
            carry=(decoder.units,),
            activity=of_a_step,
        ),
    }


def convert(model: Any, frames: int) -> bytes:
    """A float32 TensorFlow Lite model of built-in operations only.

    Args:
        model: keras.Model made by `nem2e_tf.stdr_net.stdr_net`.
        frames: int. Length of a window, fixed in the file.

    Returns:
        The file, with the signatures of `step_functions`.
    """
    import tensorflow as tf

    functions = step_functions(model, frames)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures=functions)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, list(functions))
        return converter.convert()


class LiteRT:
    """An exported network in LiteRT, called as the Keras model is.

    Args:
        content: bytes. The file.
        threads: int. Processor threads.

    Raises:
        InputError: LiteRT is not installed.
    """

    def __init__(self, content: bytes, threads: int = 1) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise InputError(
                "ai-edge-litert is not installed; install it: pip install 'nem2e-tf[export]'"
            ) from None
        with terminal.without_native_notes():
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._encode = self._interpreter.get_signature_runner("encode")
        self._decode_step = self._interpreter.get_signature_runner("decode_step")
        self._shape = tuple(self._encode.get_input_details()["simulated"]["shape"][1:])
        first = self._decode_step.get_input_details()
        self._zeros = {
            name: np.zeros(first[name]["shape"], np.float32) for name in ("carry", "activity")
        }
        self._seen = int(first["mask"]["shape"][1])

    def __call__(self, simulated: np.ndarray) -> np.ndarray:
        """Refine windows, one after the other.

        Args:
            simulated: `(windows, frames, inputs)`, each channel divided by its training maximum.

        Returns:
            `(windows, frames, outputs)` float32, 0-1.

        Raises:
            ValueError: windows of another shape than the file was made for.
        """
        if simulated.shape[1:] != self._shape:
            raise ValueError(f"windows of {simulated.shape[1:]}; the file is for {self._shape}")
        return np.stack([self._window(window) for window in simulated.astype(np.float32)])

    def _window(self, simulated: np.ndarray) -> np.ndarray:
        encoded = self._encode(simulated=simulated[None])
        state = {"hidden": encoded.pop("hidden")} | self._zeros
        activity: list[np.ndarray] = []
        while len(activity) < len(simulated):
            step = len(activity) // state["activity"].shape[1]
            # Where attention has no bounds, every step sees all.
            first = step if encoded["mask"].shape[1] > self._seen else 0
            looked_at = {name: x[:, first : first + self._seen] for name, x in encoded.items()}
            state = self._decode_step(**looked_at, **state)
            activity.extend(state["activity"][0])
        return np.stack(activity[: len(simulated)])


def synthetic_activity(windows: int, frames: int, channels: int) -> np.ndarray:
    """Smooth bursts between 0 and 1, the same at every call: nobody's muscles.

    Returns:
        `(windows, frames, channels)` float32, up to three cycles a window.
    """
    random = np.random.default_rng(0)
    cycles, phase, sharpness = (
        random.uniform(low, high, (windows, 1, channels))
        for low, high in ((0.5, 3.0), (0.0, 1.0), (1.0, 4.0))
    )
    angle = 2 * np.pi * (cycles * np.linspace(0, 1, frames)[None, :, None] + phase)
    return (((1 + np.sin(angle)) / 2) ** sharpness).astype(np.float32)


def export(refiner: Refiner, file: Path) -> Exported:
    """Write a refiner as float32 TensorFlow Lite.

    Args:
        refiner: Refiner.
        file: path. Where to; it appears only if it agrees with Keras, and then replaces what
            was there.

    Raises:
        InputError: the file cannot be written, or differs from Keras by more than `TOLERANCE`.
    """
    check_output(file, (".tflite",))
    frames = round(refiner.card.window * refiner.card.rate)
    windows = synthetic_activity(WINDOWS, frames, len(refiner.card.inputs))
    with replacing(file) as temporary:
        temporary.write_bytes(convert(refiner.model, frames))
        content = temporary.read_bytes()
        difference = np.abs(LiteRT(content)(windows) - refiner.model.predict_on_batch(windows))
        worst = float(difference.max())
        # Not `worst > TOLERANCE`: a NaN must fail too.
        if not worst <= TOLERANCE:
            raise InputError(
                f"{file}: not written: LiteRT differs from Keras by {worst:.1e} on synthetic"
                f" windows, more than {TOLERANCE:.0e}"
            )
    return Exported(str(file), len(content), frames, WINDOWS, worst)


@app.command()
def main(
    refiner: Annotated[str, typer.Argument(help="Name of a shipped refiner, or its folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write float32.tflite into a refiner's folder and compare it with Keras."""
    terminal.quiet_tensorflow()
    trained = load(refiner)
    assert trained.folder is not None
    exported = export(trained, trained.folder / "float32.tflite")
    if as_json:
        terminal.print_json(asdict(exported) | {"tolerance": TOLERANCE})
    else:
        terminal.screen.print(
            f"wrote {exported.file}, {exported.size:,} bytes for {exported.frames} frames\n"
            f"at most {exported.worst_difference:.1e} from Keras"
            f" on {exported.synthetic_windows} synthetic windows",
            soft_wrap=True,
        )


if __name__ == "__main__":
    terminal.run(app)
