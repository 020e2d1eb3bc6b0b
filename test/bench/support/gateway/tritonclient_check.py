"""Uses tritonclient with a gateway like a user would: HTTP_ADDRESS GRPC_ADDRESS MODEL IMAGES.npy. Prints a line per client, or fails."""

import queue
import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

http_address, grpc_address, model, images_file = sys.argv[1:]
images = np.load(images_file)[:4]


def check(client, kind):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(model)
    client.get_server_metadata()
    client.get_model_metadata(model)
    client.get_model_config(model)
    batch = kind.InferInput("image", images.shape, "UINT8")
    batch.set_data_from_numpy(images)
    together = client.infer(model, [batch], request_id="7").as_numpy("label")
    assert together.shape == (4,) and together.dtype == np.int64
    for i in range(4):
        one = kind.InferInput("image", [1, *images.shape[1:]], "UINT8")
        one.set_data_from_numpy(images[i : i + 1])
        assert client.infer(model, [one]).as_numpy("label")[0] == together[i]
    asked = [kind.InferRequestedOutput("scores"), kind.InferRequestedOutput("model")]
    answer = client.infer(model, [batch], outputs=asked, timeout=5_000_000)
    assert (answer.as_numpy("scores").argmax(axis=1) == together).all()
    assert answer.as_numpy("model").shape == (4,)
    wrong = kind.InferInput("image", images.shape, "FP32")
    wrong.set_data_from_numpy(images.astype(np.float32))
    for name, inputs, expected in (("nobody", [batch], ("404", "NOT_FOUND")), (model, [wrong], ("400", "INVALID_ARGUMENT"))):
        try:
            client.infer(name, inputs)
        except InferenceServerException as error:
            assert any(code in error.status() for code in expected), error
        else:
            raise AssertionError("not refused")
    client.get_inference_statistics(model)
    return together


by_http = check(http.InferenceServerClient(http_address), http)
client = http.InferenceServerClient(http_address, concurrency=8)
plain = http.InferInput("image", images.shape, "UINT8")
plain.set_data_from_numpy(images, binary_data=False)
label = [http.InferRequestedOutput("label", binary_data=False)]
assert (client.infer(model, [plain], outputs=label).as_numpy("label") == by_http).all()
assert (client.infer(model, [plain], request_compression_algorithm="gzip").as_numpy("label") == by_http).all()
waiting = [client.async_infer(model, [plain]) for _ in range(20)]
assert all((each.get_result().as_numpy("label") == by_http).all() for each in waiting)
print("tritonclient.http: ok")
assert (check(grpc.InferenceServerClient(grpc_address), grpc) == by_http).all()
print("tritonclient.grpc: ok")

client = grpc.InferenceServerClient(grpc_address)
answers = queue.Queue()
client.start_stream(lambda result, error: answers.put((result, error)))
for i in range(20):
    one = grpc.InferInput("image", [1, *images.shape[1:]], "UINT8")
    one.set_data_from_numpy(images[i % 4 : i % 4 + 1])
    client.async_stream_infer(model, [one], request_id=str(i))
client.async_stream_infer("nobody", [one], request_id="20")
failed = 0
for _ in range(21):
    result, error = answers.get(timeout=60)
    if error is not None:
        failed += 1
    else:
        assert result.as_numpy("label")[0] == by_http[int(result.get_response().id) % 4]
client.stop_stream()
assert failed == 1
print("tritonclient.grpc, stream: ok")
