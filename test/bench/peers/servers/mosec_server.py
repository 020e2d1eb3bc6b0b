import sys

from cascade import MAX_BATCH, MAX_WAIT_MS, PORT, Cascade
from mosec import Server, Worker


class Classify(Worker):
    def __init__(self):
        self.cascade = Cascade()

    def deserialize(self, data):
        return data

    def forward(self, data):
        return self.cascade.classify(data)


if __name__ == "__main__":
    sys.argv += ["--address", "127.0.0.1", "--port", str(PORT), "--log-level", "warning", "--capacity", "4096"]
    server = Server()
    server.append_worker(Classify, num=1, max_batch_size=MAX_BATCH, max_wait_time=max(1, round(MAX_WAIT_MS)), route="/classify")
    server.run()
