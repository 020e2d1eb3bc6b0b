"""Trains the four transformers of this example and exports them to ONNX.

Usage:  apt-get install unicode-cldr-core
        python3 -m venv env && env/bin/pip install torch onnx onnxscript
        env/bin/python conf/languages/training/train.py [model ...]      (about ten minutes on two idle cores for all four)

The input is a word or a short phrase, letter by letter; the output is its language. 6,000 texts, drawn with a fixed seed, are kept for
the profile and the load test; they are used neither for training nor for model selection.
"""
import json
import math
import pathlib
import random
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import corpus

HERE = pathlib.Path(__file__).resolve().parent
SEED = 2406_14424
KEPT = 6_000
BATCH = 256

# name: (width, layers, heads, epochs, peak learning rate, dropout)
FAMILY = {
    "tiny": (16, 1, 2, 10, 1e-2, 0.0),
    "small": (32, 2, 2, 10, 5e-3, 0.0),
    "medium": (64, 3, 4, 10, 3e-3, 0.1),
    "large": (96, 4, 4, 10, 2e-3, 0.15),
}


class Block(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_hidden = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def attention(self, x, hidden):
        batch, length, width = x.shape[0], x.shape[1], x.shape[2]
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(2, 3) / math.sqrt(width // self.heads) + hidden
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width))

    def forward(self, x, hidden):
        x = x + self.dropout(self.attention(self.before_attention(x), hidden))
        return x + self.dropout(self.down(F.relu(self.up(self.before_hidden(x)))))


class Classifier(nn.Module):
    """The exported graph: takes ids of letters and their mask, returns class scores (logits). Masked letters have no effect."""

    def __init__(self, width, layers, heads, dropout):
        super().__init__()
        self.letters, self.places = nn.Embedding(1 + len(corpus.LETTERS), width), nn.Embedding(corpus.LONGEST, width)
        # Combines each letter with its neighbours: attention alone takes long to learn adjacency.
        self.neighbours = nn.Conv1d(width, width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, len(corpus.LANGUAGES))
        self.dropout = nn.Dropout(dropout)

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.float()
        hidden = (1 - mask)[:, None, None, :] * -1e4
        places = torch.cumsum(attention_mask, 1) - attention_mask
        letters = (self.letters(input_ids) + self.places(places)) * mask[:, :, None]
        x = self.dropout(letters + F.relu(self.neighbours(letters.transpose(1, 2)).transpose(1, 2)))
        for block in self.blocks:
            x = block(x, hidden)
        mean = (self.norm(x) * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return self.head(self.dropout(mean))


def padded(sequences):
    """Ids and mask, both int64 [texts, length of the longest]; the mask is 1 for letters and 0 for padding."""
    width = max(map(len, sequences))
    ids = np.full((len(sequences), width), corpus.PADDING, np.int64)
    for row, sequence in zip(ids, sequences):
        row[: len(sequence)] = sequence
    return ids, (np.arange(width) < np.array([len(s) for s in sequences])[:, None]).astype(np.int64)


def batches(sequences, labels, shuffle=None):
    """Yields ids, mask and labels of batches; texts of similar length share a batch."""
    order = list(range(len(sequences)))
    if shuffle is not None:
        shuffle.shuffle(order)
        chunk = 50 * BATCH
        order = [i for at in range(0, len(order), chunk) for i in sorted(order[at : at + chunk], key=lambda i: len(sequences[i]))]
    picks = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
    if shuffle is not None:
        shuffle.shuffle(picks)
    for pick in picks:
        ids, mask = padded([sequences[i] for i in pick])
        yield torch.from_numpy(ids), torch.from_numpy(mask), torch.tensor([labels[i] for i in pick])


def accuracy(model, sequences, labels):
    model.eval()
    with torch.no_grad():
        right = sum((model(ids, mask).argmax(1) == truth).sum().item() for ids, mask, truth in batches(sequences, labels))
    return right / len(sequences)


def train(name, training, test):
    width, layers, heads, epochs, peak, dropout = FAMILY[name]
    torch.manual_seed(SEED)
    shuffle = random.Random(SEED)
    model = Classifier(width, layers, heads, dropout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.05)
    steps = math.ceil(len(training[0]) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, epochs=epochs, steps_per_epoch=steps, pct_start=0.15)
    start = time.time()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for ids, mask, labels in batches(*training, shuffle):
            loss = F.cross_entropy(model(ids, mask), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"{name} epoch {epoch + 1}/{epochs} loss {total / steps:.4f} {time.time() - start:.0f}s", flush=True)
    print(f"{name}: {100 * accuracy(model, *test):.2f} % of the kept texts, {time.time() - start:.0f}s", flush=True)
    axes = {0: torch.export.Dim("batch", max=4_096), 1: torch.export.Dim("letters", max=corpus.LONGEST)}
    example = next(batches(*test))[:2]
    torch.onnx.export(model.eval(), example, str(HERE.parent / "models" / f"{name}.onnx"), opset_version=18, external_data=False,
                      input_names=["input_ids", "attention_mask"], output_names=["scores"],
                      dynamic_shapes={"input_ids": axes, "attention_mask": axes})


def main():
    pairs = corpus.texts()
    random.Random(SEED).shuffle(pairs)
    sequences, labels = [corpus.encode(text) for text, _ in pairs], [label for _, label in pairs]
    names = list(corpus.LANGUAGES.values())
    with open(HERE.parent / "data" / "texts.jsonl", "w") as out:
        for sequence, label in zip(sequences[:KEPT], labels[:KEPT]):
            line = {"inputs": {"input_ids": sequence, "attention_mask": [1] * len(sequence)}, "label": names[label]}
            out.write(json.dumps(line, separators=(",", ":")) + "\n")
    for name in sys.argv[1:] or FAMILY:
        train(name, (sequences[KEPT:], labels[KEPT:]), (sequences[:KEPT], labels[:KEPT]))


if __name__ == "__main__":
    main()
