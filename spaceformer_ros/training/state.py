# SPDX-License-Identifier: Apache-2.0
"""State files: what a training run needs to go on after it was killed."""

from dataclasses import asdict

import torch

from .. import SpaceformerError
from ..disk.atomic import replacing

SAVE_EVERY = 200  # steps of a fit; a multiple of `processes.AVERAGE_EVERY`


def save_state(path, parts, step, **notes):
    """Write the number of steps done and the states of `parts`, atomically.

    parts: dict name -> module, optimiser or schedule; notes: further values.
    """
    state = {**{name: part.state_dict() for name, part in parts.items()}, "step": step, **notes}
    with replacing(path) as partial:
        torch.save(state, partial)


def load_state(path, parts, device="cpu", **notes):
    """Restore what `save_state` wrote; returns the number of steps done.

    Raises SpaceformerError for a damaged file, parts of another network, and other notes.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        changed = [key for name, now in notes.items() for key in now if state[name].get(key) != now[key]]
        if not changed:
            for name, part in parts.items():
                part.load_state_dict(state[name])
            return int(state["step"])
    except Exception as error:  # zip, pickle, keys and shapes
        reason = " ".join(str(error).split())[:200]
        raise SpaceformerError(
            f"{path} cannot be continued: it is damaged, or of another `model` than the configuration has "
            f"({reason}): give another folder, or delete it to begin anew"
        ) from error
    raise SpaceformerError(f"{path} was begun with another {', '.join(changed)}: change it back, or delete the file")


class FitState:
    """The state file of the fit of a head. It exists from the first save until `end`."""

    def __init__(self, path, config):
        """path: of the file, None for none; config: dataclass of the settings, with which alone the fit continues."""
        self._path, self._config = path, asdict(config)

    def load(self, parts):
        """The number of steps done; 0 without a file. parts: see `save_state`."""
        if self._path is None or not self._path.is_file():
            return 0
        return load_state(self._path, parts, config=self._config)

    def save(self, parts, step, steps):
        """Write the file every SAVE_EVERY of all `steps` and after the last one."""
        if self._path is not None and (step % SAVE_EVERY == 0 or step == steps):
            save_state(self._path, parts, step, config=self._config)

    def end(self):
        """Remove the file: the result is saved."""
        self._path.unlink(missing_ok=True)
