"""What accuracy is measured on: a model, calibration data, held-out samples, and a score.

A classifier's outputs are its scores and are judged by top-1. MiniLM's are sentence embeddings
(mean of `last_hidden_state` over the tokens, normalized), judged by the rank correlation of their
cosines with the similarity that people gave (STS-B). Sentences that are judged are padded to the
longest of their batch; those for calibration come one by one and need no padding.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from workloads import KEYWORD_CALIBRATION, MINILM, WORKLOADS, Workload

Feeds = dict[str, np.ndarray]
Run = Callable[[Feeds], np.ndarray]
"""Feeds to the first output."""

BATCH = 10
LENGTH = 64
PAIRS, CALIBRATION_PAIRS = 300, 32


@dataclass(frozen=True)
class Task:
    """One model with its data.

    - calibration: one sample each; batches: of BATCH samples, none of them in `calibration`.
    - outputs_of: what becomes of a batch's first output.
    - score: of all outputs; `metric` names it.
    - transformer: how peers should treat it.
    """

    name: str
    model: Path
    calibration: list[Feeds]
    batches: list[Feeds]
    outputs_of: Callable[[np.ndarray, Feeds], np.ndarray]
    score: Callable[[np.ndarray], float]
    metric: str
    transformer: bool = False

    def outputs(self, run: Run) -> np.ndarray:
        """The final outputs of all batches."""
        return np.concatenate([self.outputs_of(run(feeds), feeds) for feeds in self.batches])


def classifier(work: Workload, held_out: int) -> Task:
    """`held_out`: the first samples, which calibration saw, are not judged."""
    x, y = work.x[held_out:], work.y[held_out:]

    def score(outputs: np.ndarray) -> float:
        return 100 * float(np.mean(outputs.argmax(1) == y))

    return Task(
        work.name,
        work.model,
        [{work.input: sample[None]} for sample in work.calibration],
        [{work.input: x[start : start + BATCH]} for start in range(0, len(x), BATCH)],
        lambda output, _: output.reshape(len(output), -1),
        score,
        "top-1 %",
    )


def minilm(folder: Path) -> Task:
    """The first pairs of the development set; calibrated on sentences of later ones."""
    from scipy.stats import spearmanr
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "minilm/tokenizer.json"))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(LENGTH)
    with (folder / "minilm/stsb-en-dev.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[: PAIRS + CALIBRATION_PAIRS]
    wanted = np.array([float(row[2]) for row in rows[:PAIRS]])

    def feeds(sentences: list[str]) -> Feeds:
        encoded = tokenizer.encode_batch(sentences)
        return {
            "input_ids": np.array([one.ids for one in encoded], np.int64),
            "attention_mask": np.array([one.attention_mask for one in encoded], np.int64),
            "token_type_ids": np.array([one.type_ids for one in encoded], np.int64),
        }

    def embeddings(hidden: np.ndarray, given: Feeds) -> np.ndarray:
        mask = given["attention_mask"][:, :, None].astype(np.float32)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def score(outputs: np.ndarray) -> float:
        cosines = (outputs[0::2] * outputs[1::2]).sum(1)
        return float(spearmanr(cosines, wanted).statistic)

    sentences = [sentence for row in rows for sentence in row[:2]]
    judged, calibration = sentences[: 2 * PAIRS], sentences[2 * PAIRS :]
    return Task(
        "MiniLM",
        folder / MINILM,
        [feeds([sentence]) for sentence in calibration],
        [feeds(judged[start : start + BATCH]) for start in range(0, len(judged), BATCH)],
        embeddings,
        score,
        "Spearman",
        transformer=True,
    )


def _task(name: str, held_out: int, folder: Path) -> Task:
    return classifier(WORKLOADS[name](folder), held_out)


TASKS: dict[str, Callable[[Path], Task]] = {
    "resnet8": partial(_task, "resnet8", 0),
    "dscnn": partial(_task, "dscnn", KEYWORD_CALIBRATION),
    "mnist": partial(_task, "mnist", 256),
    "squeezenet": partial(_task, "squeezenet", 0),
    "minilm": minilm,
}
"""By name; each takes the folder of models and data."""
