"""Seeded inputs: smooth noise like natural images, word ids like natural text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Sampler = Callable[[int, int, int], list[dict[str, np.ndarray]]]

IMAGE_LIMIT = 2.64
"""What a white pixel becomes under ImageNet's normalization."""

VOCABULARY = 30522
FIRST_WORD = 999
"""Ids below are reserved in BERT's vocabulary."""


def images(count: int, size: int, seed: int) -> np.ndarray:
    """float32 [count, 3, size, size]: noise of all scales, the coarse ones stronger (1/f)."""
    random = np.random.default_rng(seed)
    x = np.zeros((count, 3, size, size), np.float32)
    cell = 1
    while cell <= size // 2:
        cells = -(-size // cell)
        noise = random.standard_normal((count, 3, cells, cells), np.float32) * np.sqrt(cell)
        x += noise.repeat(cell, 2).repeat(cell, 3)[:, :, :size, :size]
        cell *= 2
    x -= x.mean((1, 2, 3), keepdims=True)
    x /= x.std((1, 2, 3), keepdims=True)
    x *= random.uniform(0.6, 1.2, (count, 3, 1, 1))
    x += random.standard_normal((count, 3, 1, 1)) * 0.4
    return np.clip(x, -IMAGE_LIMIT, IMAGE_LIMIT).astype(np.float32)


def image_feeds(name: str, size: int) -> Sampler:
    """Feeds of the one input `name`."""

    def sample(count: int, batch: int, seed: int) -> list[dict[str, np.ndarray]]:
        x = images(count * batch, size, seed).reshape(count, batch, 3, size, size)
        return [{name: feed} for feed in x]

    return sample


def token_feeds(length: int) -> Sampler:
    """Feeds "input_ids" and "attention_mask", int64 [batch, length]; rows are padded."""

    def sample(count: int, batch: int, seed: int) -> list[dict[str, np.ndarray]]:
        random = np.random.default_rng(seed)
        shape = (count, batch, length)
        ids = np.minimum(random.zipf(1.3, shape) + FIRST_WORD - 1, VOCABULARY - 1)
        lengths = random.integers(length // 2, length + 1, (count, batch, 1))
        mask = (np.arange(length) < lengths).astype(np.int64)
        ids = ids.astype(np.int64) * mask
        return [{"input_ids": i, "attention_mask": m} for i, m in zip(ids, mask, strict=True)]

    return sample
