"""Graphs of one step in LiteRT."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.errors import InputError, require


class TensorPort:
    """An input or output tensor of a graph, with its quantization.

    Args:
        place: index of the tensor in the runtime.
        dtype: of the tensor.
        scale: 0 for a float tensor; else a real number is `scale * (number - zero_point)`.
        zero_point: see `scale`.
    """

    def __init__(self, index: int, dtype: Any, scale: float, zero_point: int) -> None:
        self.index = index
        self._dtype = np.dtype(dtype)
        self._is_integer = scale != 0.0
        # Tensors are small, so the overhead of calls dominates: array operands are the fastest.
        self._scale, self._zero_point = (np.array(x, np.float32) for x in (scale, zero_point))
        if self._is_integer:
            limits = np.iinfo(self._dtype)
            self._lowest, self._highest = (
                np.array(x, np.float32) for x in (limits.min, limits.max)
            )

    def quantize(self, values: np.ndarray) -> np.ndarray:
        """Real numbers in the dtype of the tensor, clipped to its range."""
        if not self._is_integer:
            return values.astype(self._dtype, copy=False)
        numbers = values / self._scale
        np.rint(numbers, out=numbers)
        np.add(numbers, self._zero_point, out=numbers)
        np.maximum(numbers, self._lowest, out=numbers)
        np.minimum(numbers, self._highest, out=numbers)
        return numbers.astype(self._dtype)

    def dequantize(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers of the tensor as real numbers, float32."""
        if not self._is_integer:
            return numbers
        values = numbers.astype(np.float32)
        np.subtract(values, self._zero_point, out=values)
        return np.multiply(values, self._scale, out=values)


class LiteRT:
    """Graphs in LiteRT, called by name; see `nem2e_tf.edge.steps.Graphs`.

    Args:
        files: .tflite file of each graph, with one signature.
        threads: number of threads.
        xnnpack: use the XNNPACK delegate, as LiteRT does by default.

    Raises:
        InputError: LiteRT is not installed, or cannot load a file.
    """

    def __init__(self, files: Mapping[str, Path], threads: int = 1, xnnpack: bool = True) -> None:
        require("ai_edge_litert")
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        resolver = (
            OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        self._graphs: dict[str, tuple[Any, dict[str, TensorPort], dict[str, TensorPort]]] = {}
        for graph, file in files.items():
            try:
                interpreter = Interpreter(
                    model_content=file.read_bytes(),
                    num_threads=threads,
                    experimental_op_resolver_type=resolver,
                )
                interpreter.allocate_tensors()
                runner = interpreter.get_signature_runner(graph)
            except (ValueError, RuntimeError) as error:
                detail = " ".join(str(error).split())[:200]
                raise InputError(f"{file}: LiteRT refuses this file: {detail}") from None
            ports = [
                {
                    name: TensorPort(details["index"], details["dtype"], *details["quantization"])
                    for name, details in side.items()
                }
                for side in (runner.get_input_details(), runner.get_output_details())
            ]
            self._graphs[graph] = (interpreter, *ports)

    def __call__(self, graph: str, **tensors: np.ndarray) -> dict[str, np.ndarray]:
        """Run a graph."""
        interpreter, inputs, outputs = self._graphs[graph]
        for name, values in tensors.items():
            port = inputs[name]
            interpreter.set_tensor(port.index, port.quantize(values))
        interpreter.invoke()
        return {
            name: port.dequantize(interpreter.get_tensor(port.index))
            for name, port in outputs.items()
        }
