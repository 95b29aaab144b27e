"""What TensorFlow Serving is asked and answers, through the SavedModel as a session restores it.

The server here is a stand-in: gRPC with TensorFlow Serving's own messages and service, around the
graph and the variables that a TensorFlow session loads, which is what its server does. Where there
is a `tensorflow_model_server`, it is asked too.
"""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nem2e_tf.edge import shipped_refiners, windows
from nem2e_tf.refiner import Refiner, load
from nem2e_tf.refiner.runtimes import FunctionNetwork

grpc = pytest.importorskip("grpc")
apis = pytest.importorskip("tensorflow_serving.apis")
from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

EXACT = 1e-5
NAME = "walking"
SEEN = 11
"""Steps that attention looks at: its own and five to either side."""
Arrays = Mapping[str, np.ndarray]


class Served:
    """A SavedModel in a session, asked by signature and names of tensors."""

    def __init__(self, folder: Path) -> None:
        self.graph = tf.Graph()
        self.session = tf.compat.v1.Session(graph=self.graph)
        with self.graph.as_default():
            loaded = tf.compat.v1.saved_model.load(self.session, ["serve"], str(folder))
        self.signatures = loaded.signature_def

    def __call__(self, signature: str, given: Arrays) -> dict[str, np.ndarray]:
        asked = self.signatures[signature]
        assert set(given) == set(asked.inputs)
        feeds = {asked.inputs[name].name: values for name, values in given.items()}
        fetches = {name: tensor.name for name, tensor in asked.outputs.items()}
        found: dict[str, np.ndarray] = self.session.run(fetches, feeds)
        return found


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TensorFlow Serving's prediction service, as far as it is used here."""

    def __init__(self, served: Served) -> None:
        self.served = served

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        signature = request.model_spec.signature_name or "serving_default"
        if request.model_spec.name != NAME or signature not in self.served.signatures:
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
        if set(request.inputs) != set(self.served.signatures[signature].inputs):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "wrong inputs")
        given = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        response.model_spec.name = NAME
        response.model_spec.signature_name = signature
        for name, values in self.served(signature, given).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
        return response

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self.served.signatures.items():
            found.signature_def[name].CopyFrom(signature)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(found)
        return response


@pytest.fixture(scope="module")
def refiner() -> Refiner:
    return load(NAME)


@pytest.fixture(scope="module")
def served() -> Served:
    return Served(shipped_refiners()[NAME] / "savedmodel")


@pytest.fixture(scope="module")
def stub(served: Served) -> Iterator[Any]:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(served), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)
    server.stop(None)


def rough(count: int, frames: int) -> np.ndarray:
    return np.random.default_rng(6).random((count, frames, 9), dtype=np.float32)


def asking(given: Arrays, signature: str = "serving_default") -> Any:
    """A `PredictRequest`."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = NAME
    request.model_spec.signature_name = signature
    for name, values in given.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return request


def answered(response: Any) -> dict[str, np.ndarray]:
    return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}


def in_steps(ask: Callable[[str, Arrays], Arrays], simulated: np.ndarray, seen: int) -> np.ndarray:
    """`encode`, then `decode_step` for every step: what `serving_default` gives at once."""
    count, frames, outputs = simulated.shape
    encoded = dict(ask("encode", {"simulated": simulated}))
    hidden = encoded.pop("hidden")
    carry, activity = np.zeros_like(hidden), np.zeros((count, 4 * outputs), np.float32)
    parts = []
    for i in range(encoded["encoded"].shape[1] - seen + 1):
        around = {name: series[:, i : i + seen] for name, series in encoded.items()}
        state = ask(
            "decode_step", {"hidden": hidden, "carry": carry, "activity": activity, **around}
        )
        hidden, carry, activity = state["hidden"], state["carry"], state["activity"]
        parts.append(activity.reshape(count, 4, outputs))
    return np.concatenate(parts, axis=1)[:, :frames]


# The session


@pytest.mark.parametrize("name", sorted(shipped_refiners()))
def test_a_session_restores_what_keras_has(name: str) -> None:
    served, network = Served(shipped_refiners()[name] / "savedmodel"), load(name).network
    for count, frames in ((1, 1), (2, 7), (1, 200)):
        simulated = rough(count, frames)
        found = served("serving_default", {"simulated": simulated})
        assert set(found) == {"activity"}
        expected = network(simulated)
        np.testing.assert_allclose(found["activity"], expected, rtol=0, atol=EXACT)


# gRPC


@pytest.mark.parametrize(("count", "frames"), [(1, 200), (3, 37), (2, 1)])
def test_a_predict_request_is_answered_with_what_keras_gives(
    refiner: Refiner, served: Served, stub: Any, count: int, frames: int
) -> None:
    simulated = rough(count, frames)
    request = asking({"simulated": simulated})
    parsed = predict_pb2.PredictRequest.FromString(request.SerializeToString())
    assert parsed.model_spec.signature_name == "serving_default"
    tensor = parsed.inputs["simulated"]
    assert [size.size for size in tensor.tensor_shape.dim] == [count, frames, 9]
    assert tensor.dtype == tf.float32.as_datatype_enum
    np.testing.assert_array_equal(tf.make_ndarray(tensor), simulated)
    response = stub.Predict(request)
    assert response.model_spec.name == NAME
    assert list(response.outputs) == ["activity"]
    assert [size.size for size in response.outputs["activity"].tensor_shape.dim] == [
        count, frames, 9,
    ]  # fmt: skip
    again = predict_pb2.PredictResponse.FromString(response.SerializeToString())
    expected = refiner.network(simulated)
    np.testing.assert_allclose(answered(again)["activity"], expected, rtol=0, atol=EXACT)


def test_the_steps_of_a_window_can_be_asked_for_one_by_one(refiner: Refiner, stub: Any) -> None:
    simulated = rough(2, 37)

    def ask(signature: str, given: Arrays) -> Arrays:
        return answered(stub.Predict(asking(given, signature)))

    found = in_steps(ask, simulated, SEEN)
    np.testing.assert_allclose(found, refiner.network(simulated), rtol=0, atol=EXACT)


def test_a_recording_is_refined_through_the_server_as_by_the_refiner(
    refiner: Refiner, stub: Any
) -> None:
    time_ = np.arange(501) / 100
    phase = 2 * np.pi * (time_[:, None] + np.linspace(0, 0.9, 9))
    activity = 0.01 + 0.6 * np.clip(np.sin(phase), 0, None) ** 2
    index = pd.Index(time_, name="time")
    expected = refiner.refine(pd.DataFrame(activity, index, columns=refiner.card.inputs), "r")
    network = FunctionNetwork(
        refiner.network.layout,
        lambda simulated: answered(stub.Predict(asking({"simulated": simulated})))["activity"],
    )
    signals = refiner.signals
    window = round(signals.window * signals.rate)
    found = windows.refine_recording(network, activity / signals.input_maximum, window)
    found *= signals.output_maximum
    np.testing.assert_allclose(found, expected.to_numpy(), rtol=0, atol=EXACT)


def test_the_server_says_what_the_signatures_take(stub: Any) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = NAME
    request.metadata_field.append("signature_def")
    found = get_model_metadata_pb2.SignatureDefMap()
    assert stub.GetModelMetadata(request).metadata["signature_def"].Unpack(found)

    def shapes(tensors: Any) -> dict[str, list[int]]:
        return {
            name: [size.size for size in tensor.tensor_shape.dim]
            for name, tensor in tensors.items()
        }

    serve, encode, step = (
        found.signature_def[name] for name in ("serving_default", "encode", "decode_step")
    )
    assert serve.method_name == "tensorflow/serving/predict"
    assert shapes(serve.inputs) == shapes(encode.inputs) == {"simulated": [-1, -1, 9]}
    assert shapes(serve.outputs) == {"activity": [-1, -1, 9]}
    assert shapes(encode.outputs) == {
        "encoded": [-1, -1, 64], "keys": [-1, -1, 32], "mask": [-1, -1], "hidden": [-1, 48],
    }  # fmt: skip
    assert shapes(step.inputs) == {
        "encoded": [-1, SEEN, 64], "keys": [-1, SEEN, 32], "mask": [-1, SEEN], "hidden": [-1, 48],
        "carry": [-1, 48], "activity": [-1, 36],
    }  # fmt: skip
    assert shapes(step.outputs) == {"hidden": [-1, 48], "carry": [-1, 48], "activity": [-1, 36]}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (asking({"activity": rough(1, 4)}), grpc.StatusCode.INVALID_ARGUMENT),
        (asking({"simulated": rough(1, 4)}, "serve"), grpc.StatusCode.NOT_FOUND),
    ],
)
def test_other_names_are_answered_with_an_error(stub: Any, request_: Any, code: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request_)
    assert caught.value.code() == code


# REST, by the rules of TensorFlow Serving's RESTful API for JSON


def rest(served: Served, body: bytes) -> bytes:
    """Answer the body of a POST to `/v1/models/<name>:predict`."""
    asked = json.loads(body)
    signature = asked.get("signature_name", "serving_default")
    inputs = served.signatures[signature].inputs
    rows = "instances" in asked
    given = asked["instances" if rows else "inputs"]
    if rows and isinstance(given[0], dict):
        given = {name: [row[name] for row in given] for name in given[0]}
    if not isinstance(given, dict):
        (name,) = inputs
        given = {name: given}
    arrays = {
        name: np.array(values, tf.as_dtype(inputs[name].dtype).as_numpy_dtype)
        for name, values in given.items()
    }
    found = {name: values.tolist() for name, values in served(signature, arrays).items()}
    # The name of an only tensor is left out.
    answer: Any = next(iter(found.values())) if len(found) == 1 else found
    if rows and isinstance(answer, dict):
        answer = [dict(zip(answer, row, strict=True)) for row in zip(*answer.values(), strict=True)]
    return json.dumps({"predictions" if rows else "outputs": answer}).encode()


def test_rest_takes_and_gives_columns_and_rows(refiner: Refiner, served: Served) -> None:
    simulated = rough(2, 7)
    expected = refiner.network(simulated)
    columns: dict[str, Any] = {
        "signature_name": "serving_default",
        "inputs": {"simulated": simulated.tolist()},
    }
    for body, key in (
        (columns, "outputs"),
        ({"inputs": simulated.tolist()}, "outputs"),
        ({"instances": simulated.tolist()}, "predictions"),
        ({"instances": [{"simulated": window.tolist()} for window in simulated]}, "predictions"),
    ):
        answer = json.loads(rest(served, json.dumps(body).encode()))
        assert list(answer) == [key]
        found = np.array(answer[key], np.float32)
        assert found.shape == (2, 7, 9)
        np.testing.assert_allclose(found, expected, rtol=0, atol=EXACT)


def test_the_steps_of_a_window_survive_json(refiner: Refiner, served: Served) -> None:
    simulated = rough(1, 9)

    def ask(signature: str, given: Arrays) -> Arrays:
        body = {
            "signature_name": signature,
            "inputs": {name: values.tolist() for name, values in given.items()},
        }
        answer = json.loads(rest(served, json.dumps(body).encode()))["outputs"]
        kinds = {"mask": bool}
        return {name: np.array(x, kinds.get(name, np.float32)) for name, x in answer.items()}

    found = in_steps(ask, simulated, SEEN)
    np.testing.assert_allclose(found, refiner.network(simulated), rtol=0, atol=EXACT)


# The real server, where there is one


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_real_server_answers_as_keras_does(refiner: Refiner, tmp_path: Path) -> None:
    binary = shutil.which("tensorflow_model_server")
    if binary is None:
        pytest.skip("there is no tensorflow_model_server")
    shutil.copytree(shipped_refiners()[NAME] / "savedmodel", tmp_path / NAME / "1")
    port, rest_port = free_port(), free_port()
    command = [
        binary, f"--port={port}", f"--rest_api_port={rest_port}", f"--model_name={NAME}",
        f"--model_base_path={tmp_path / NAME}",
    ]  # fmt: skip
    simulated = rough(2, 37)
    expected = refiner.network(simulated)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            address = f"http://127.0.0.1:{rest_port}/v1/models/{NAME}"
            for _ in range(120):
                try:
                    urllib.request.urlopen(address, timeout=5).read()
                    break
                except OSError:
                    time.sleep(0.5)
            body = json.dumps({"inputs": {"simulated": simulated.tolist()}}).encode()
            answer = json.load(urllib.request.urlopen(f"{address}:predict", body, timeout=60))
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                response = stub.Predict(asking({"simulated": simulated}), timeout=60)
        finally:
            server.terminate()
    np.testing.assert_allclose(np.array(answer["outputs"]), expected, rtol=0, atol=EXACT)
    np.testing.assert_allclose(answered(response)["activity"], expected, rtol=0, atol=EXACT)
