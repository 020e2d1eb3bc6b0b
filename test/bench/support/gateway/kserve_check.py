"""Uses KServe's client with a gateway like a user would: HTTP_ADDRESS GRPC_ADDRESS MODEL IMAGES.npy. Prints a line per client, or fails."""

import asyncio
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

http_address, grpc_address, model, images_file = sys.argv[1:]
images = np.load(images_file)[:4]


def request(binary):
    image = InferInput("image", list(images.shape), "UINT8")
    image.set_data_from_numpy(images, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[image], request_id="7")


def labels(answer):
    [label] = [output for output in answer.outputs if output.name == "label"]
    return label.as_numpy()


async def check(name, infer, live, ready, model_ready):
    assert await live() and await ready() and await model_ready()
    by_bytes = labels(await infer(request(True)))
    by_values = labels(await infer(request(False)))
    assert by_bytes.shape == (4,) and (by_bytes == by_values).all()
    print(f"kserve {name}: ok")


async def main():
    rest = InferenceRESTClient(RESTConfig(protocol="v2"))
    base = f"http://{http_address}"
    await check(
        "http",
        lambda infer_request: rest.infer(base, infer_request, model_name=model),
        lambda: rest.is_server_live(base),
        lambda: rest.is_server_ready(base),
        lambda: rest.is_model_ready(base, model),
    )
    await rest.close()
    rpc = InferenceGRPCClient(grpc_address)
    await check(
        "grpc",
        rpc.infer,
        rpc.is_server_live,
        rpc.is_server_ready,
        lambda: rpc.is_model_ready(model),
    )
    await rpc.close()


asyncio.run(main())
