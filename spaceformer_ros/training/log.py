# SPDX-License-Identifier: Apache-2.0
"""Log of a training run: one JSON row per step, and TensorBoard events if TensorBoard is installed."""

import json
import logging

logger = logging.getLogger(__name__)


class TrainingLog:
    """Appends to <folder>/log.jsonl (steps) and <folder>/validation.jsonl, and writes TensorBoard events."""

    def __init__(self, folder):
        self._steps, self._validation = (
            open(folder / name, "a")  # noqa: SIM115 - open for the whole run
            for name in ("log.jsonl", "validation.jsonl")
        )
        self._board = _summary_writer(folder)

    def add_step(self, step, values):
        """Numbers of one training step: dict of name and float."""
        self._add(self._steps, "train", step, values)

    def add_validation(self, step, values):
        """Figures on validation rooms: dict of name and float; NaN without anything to evaluate."""
        self._add(self._validation, "validation", step, values)
        self.flush()

    def _add(self, file, scope, step, values):
        file.write(json.dumps({"step": step, **{key: round(value, 5) for key, value in values.items()}}) + "\n")
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(f"{scope}/{key}", value, step)

    def flush(self):
        """Write buffered rows to disk."""
        for file in (self._steps, self._validation, self._board):
            if file is not None:
                file.flush()

    def close(self):
        """Flush and close all files."""
        for file in (self._steps, self._validation, self._board):
            if file is not None:
                file.close()


def _summary_writer(folder):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.info("TensorBoard is not installed (pip install tensorboard); log.jsonl has the same numbers")
        return None
    return SummaryWriter(str(folder))
