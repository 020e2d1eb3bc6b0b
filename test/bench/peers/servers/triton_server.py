import numpy as np
from cascade import MAX_BATCH, MAX_WAIT_MS, PORT, Cascade
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

cascade = Cascade()


@batch
def classify(image):
    answers = cascade.classify([pixels.tobytes() for pixels in image])
    return {
        "label": np.array([[answer["label"]] for answer in answers], np.int64),
        "model": np.array([[answer["model"].encode()] for answer in answers], np.object_),
    }


if __name__ == "__main__":
    config = TritonConfig(http_address="127.0.0.1", http_port=PORT, allow_grpc=False, allow_metrics=False)
    with Triton(config=config) as triton:
        triton.bind(
            model_name="fashion",
            infer_func=classify,
            inputs=[Tensor(name="image", dtype=np.uint8, shape=(1, 28, 28))],
            outputs=[
                Tensor(name="label", dtype=np.int64, shape=(1,)),
                Tensor(name="model", dtype=bytes, shape=(1,)),
            ],
            config=ModelConfig(
                max_batch_size=MAX_BATCH,
                batcher=DynamicBatcher(max_queue_delay_microseconds=round(1000 * MAX_WAIT_MS)),
            ),
        )
        triton.serve()
