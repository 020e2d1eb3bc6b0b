import signal

import ray
from cascade import MAX_BATCH, MAX_WAIT_MS, PORT, Cascade
from ray import serve
from starlette.responses import JSONResponse


@serve.deployment(num_replicas=1, max_ongoing_requests=4096, ray_actor_options={"num_cpus": 1})
class Classify:
    def __init__(self):
        self.cascade = Cascade()

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=MAX_WAIT_MS / 1000)
    async def infer(self, images):
        return self.cascade.classify(images)

    async def __call__(self, request):
        return JSONResponse(await self.infer(await request.body()))


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(Classify.bind(), route_prefix="/classify")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
