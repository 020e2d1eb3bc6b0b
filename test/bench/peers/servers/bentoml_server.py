import base64
import os
import sys

import bentoml

from cascade import MAX_BATCH, PORT, Cascade


@bentoml.service(workers=1, traffic={"timeout": 30}, logging={"access": {"enabled": False}})
class Classify:
    def __init__(self):
        self.cascade = Cascade()

    # The batcher adapts its wait to this latency.
    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=100)
    def classify(self, images: list[str]) -> list[dict]:
        return self.cascade.classify([base64.b64decode(image) for image in images])


if __name__ == "__main__":
    serve = ["serve", "bentoml_server:Classify", "--host", "127.0.0.1", "--port", str(PORT)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", *serve])
