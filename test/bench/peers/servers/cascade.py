"""The cascade that every peer runs: the same ONNX models, thresholds and single thread as the other contenders."""

import os

import numpy as np
import onnxruntime as ort

PORT = int(os.environ["PEER_PORT"])
MAX_BATCH = int(os.environ["PEER_BATCH"])
# Longest wait of a batch. Whatever is waiting when a batch ends forms the next one, so longer waits only cost latency.
MAX_WAIT_MS = float(os.environ["PEER_WAIT_MS"])


class Cascade:
    def __init__(self):
        self.stages = []
        for part in os.environ["PEER_CASCADE"].split(","):
            model, _, threshold = part.partition(":")
            options = ort.SessionOptions()
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            file = os.path.join(os.environ["PEER_MODELS"], f"{model}.onnx")
            session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            self.stages.append((model, float(threshold or 0), session, session.get_inputs()[0].name))
        # Warm-up, so that no request pays for the first run of a shape.
        self.classify([bytes(784)])
        self.classify([bytes(784)] * MAX_BATCH)

    def classify(self, images):
        """Answers images of 784 bytes each; uncertain ones move on to the next model."""
        pixels = np.frombuffer(b"".join(images), np.uint8).reshape(-1, 1, 28, 28)
        answers = [None] * len(images)
        left = np.arange(len(images))
        for stage, (model, threshold, session, name) in enumerate(self.stages):
            scores = session.run(None, {name: pixels[left]})[0]
            odds = np.exp(scores - scores.max(axis=1, keepdims=True))
            odds /= odds.sum(axis=1, keepdims=True)
            labels = odds.argmax(axis=1)
            second, first = np.partition(odds, -2, axis=1)[:, -2:].T
            margins = first - second
            done = margins >= threshold if stage < len(self.stages) - 1 else np.full(len(left), True)
            for i in np.flatnonzero(done):
                answers[left[i]] = {"label": int(labels[i]), "certainty": float(margins[i]), "model": model}
            left = left[~done]
            if len(left) == 0:
                break
        return answers
