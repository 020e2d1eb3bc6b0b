"""Trains the five Fashion-MNIST classifiers of this example and exports them to ONNX.

Usage:  apt-get install python3-torch python3-onnx dataset-fashion-mnist
        python3 conf/fashion/training/train.py [model ...]      (about an hour on two cores for all five)

Training uses only the 60,000 training images. The 10,000 test images are not used for model selection; they are written to
data/ for the profile and the load test, half of them each, drawn at random. Every exported model takes raw uint8 images
[batch, 1, 28, 28]: normalisation is part of the graph, so a request body is 784 bytes.
"""
import gzip
import pathlib
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path("/usr/share/datasets/fashion-mnist")
MEAN, STD = 0.2860, 0.3530  # of the training images, after division by 255
SEED = 2406_14424


def read_idx(name):
    raw = gzip.decompress((SOURCE / f"{name}-ubyte.gz").read_bytes())
    rank = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape).copy()


def conv(cin, cout, stride=1, groups=1, kernel=3):
    return nn.Sequential(
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout))


class Residual(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.a, self.b = conv(cin, cout, stride), conv(cout, cout)
        self.skip = nn.Identity() if cin == cout and stride == 1 else conv(cin, cout, stride, kernel=1)

    def forward(self, x):
        return F.relu(self.b(F.relu(self.a(x))) + self.skip(x))


def head(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn_small():
    return nn.Sequential(conv(1, 16, stride=2, kernel=5), nn.ReLU(), conv(16, 32, stride=2), nn.ReLU(), nn.Flatten(),
                         nn.Dropout(0.1), nn.Linear(32 * 49, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn_medium():
    return nn.Sequential(conv(1, 24, stride=2, kernel=5), nn.ReLU(), Residual(24, 24, 1), Residual(24, 48, 2),
                         Residual(48, 48, 1), *head(48))


def resnet():
    return nn.Sequential(conv(1, 24), nn.ReLU(), Residual(24, 24, 1), Residual(24, 48, 2), Residual(48, 48, 1),
                         Residual(48, 96, 2), Residual(96, 96, 1), *head(96))


# name: (architecture, epochs, peak learning rate, augment)
FAMILY = {
    "linear": (linear, 8, 0.01, False),
    "mlp": (mlp, 15, 0.05, False),
    "cnn-small": (cnn_small, 20, 0.1, True),
    "cnn-medium": (cnn_medium, 24, 0.15, True),
    "resnet": (resnet, 22, 0.15, True),
}


class Classifier(nn.Module):
    """The exported graph: takes raw bytes, returns class scores (logits)."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, image):
        return self.body((image.float() - 255 * MEAN) * (1 / (255 * STD)))


def augment(x, generator, erase):
    """Mirrors images, shifts them by up to two pixels, and for the largest model erases a square of eight by eight pixels."""
    n = x.shape[0]
    x = torch.where(torch.rand(n, 1, 1, 1, generator=generator) < 0.5, x.flip(3), x)
    padded = F.pad(x, (2, 2, 2, 2))
    dy, dx = torch.randint(0, 5, (2, n), generator=generator)
    rows = (dy[:, None] + torch.arange(28))[:, None, :, None]
    cols = (dx[:, None] + torch.arange(28))[:, None, None, :]
    x = padded[torch.arange(n)[:, None, None, None], 0, rows, cols]
    if erase:
        cy, cx = torch.randint(0, 28, (2, n, 1, 1, 1), generator=generator)
        line = torch.arange(28)
        hole = ((line[None, None, :, None] - cy).abs() < 4) & ((line[None, None, None, :] - cx).abs() < 4)
        x = torch.where(hole, torch.full_like(x, round(255 * MEAN)), x)
    return x


def predict(model, images):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(batch) for batch in images.split(500)])


def train(name, images, labels, test_images, test_labels):
    build, epochs, peak, augmented = FAMILY[name]
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = Classifier(build())
    if name != "linear" and name != "mlp":
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=peak, momentum=0.9, nesterov=True, weight_decay=5e-4 if augmented else 1e-4)
    batch = 128
    steps = len(images) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, epochs=epochs, steps_per_epoch=steps, pct_start=0.2)
    start = time.time()
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(images), generator=generator)
        total = 0.0
        for step in range(steps):
            pick = order[step * batch : (step + 1) * batch]
            x = images[pick]
            if augmented:
                x = augment(x, generator, erase=name == "resnet")
            loss = F.cross_entropy(model(x), labels[pick])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"{name} epoch {epoch + 1}/{epochs} loss {total / steps:.4f} {time.time() - start:.0f}s", flush=True)
    accuracy = (predict(model, test_images).argmax(1) == test_labels).float().mean().item()
    print(f"{name}: {100 * accuracy:.2f} % of the test images, {time.time() - start:.0f}s", flush=True)
    model = model.to(memory_format=torch.contiguous_format).eval()
    torch.onnx.export(model, test_images[:1], str(HERE.parent / "models" / f"{name}.onnx"), opset_version=13,
                      input_names=["image"], output_names=["scores"],
                      dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}})
    return accuracy


def main():
    names = sys.argv[1:] or list(FAMILY)
    images = torch.from_numpy(read_idx("train-images-idx3")).unsqueeze(1)
    labels = torch.from_numpy(read_idx("train-labels-idx1")).long()
    raw_images, raw_labels = read_idx("t10k-images-idx3"), read_idx("t10k-labels-idx1")
    np.save(HERE.parent / "data" / "images.npy", raw_images[:, None])
    np.save(HERE.parent / "data" / "labels.npy", raw_labels)
    test_images, test_labels = torch.from_numpy(raw_images).unsqueeze(1), torch.from_numpy(raw_labels).long()
    for name in names:
        train(name, images, labels, test_images, test_labels)


if __name__ == "__main__":
    main()
