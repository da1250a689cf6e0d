# SPDX-License-Identifier: Apache-2.0
"""A small training run for several processes, in a module that the other processes can import."""

import dataclasses
import os
import signal

import torch

from spaceformer_ros.training import data, train

from .fakes import FakeEmbedder
from .rooms import SMALL, scanned


def train_small(processes, config, model_config, folder):
    """Train on small rooms; every process writes its weights to FOLDER/RANK.pt, with the seeds of its rooms."""
    seeds = []

    def make_room(seed, _):
        seeds.append(seed)
        return scanned(seed)

    data.RoomConfig, data.make_room = (lambda: SMALL), make_room
    config = dataclasses.replace(config, steps=2)
    trainer = train.train(config, model_config, folder, torch.device("cpu"), FakeEmbedder(), processes=processes)
    torch.save({"weights": trainer.model.state_dict(), "seeds": seeds}, folder / f"{processes.rank}.pt")
    return trainer


class KilledElsewhere:
    """Kills the process that receives it."""

    def __reduce__(self):
        return _kill_this_process, ()


def _kill_this_process():
    os.kill(os.getpid(), signal.SIGKILL)


def fail_in_the_second(processes, *_):
    """The second process raises, while the first one waits for it."""
    if processes.rank == 1:
        raise ValueError("on purpose")
    return processes.any(False)
