# SPDX-License-Identifier: Apache-2.0
"""The table of models: kind, placement, and the reason for models that are left out (`kinds.yaml`)."""

import functools
import pathlib
from dataclasses import dataclass

PATH = pathlib.Path(__file__).with_name("kinds.yaml")


@dataclass(frozen=True)
class ModelTable:
    """Assignment of models to kinds.

    kinds: dict model key -> kind
    left_out: dict model key -> reason
    other_kinds: kinds that are not in `kinds.py`: their models are read, but not used
    factories: dict name of a factory of Infinigen -> kind
    placement: dict kind -> "wall", "ceiling" or "furniture", for kinds that are not on the floor
    """

    kinds: dict
    left_out: dict
    other_kinds: frozenset
    factories: dict
    placement: dict


@functools.cache
def read_table():
    """The ModelTable of this package."""
    import yaml

    content = yaml.safe_load(PATH.read_text())
    return ModelTable(
        kinds=_by_model({**content["kinds"], **content["model_kinds"], **content["other_kinds"]}),
        left_out=_by_model(content["left_out"]),
        other_kinds=frozenset(content["other_kinds"]),
        factories={name: kind for kind, names in content["factories"].items() for name in names},
        placement={kind: place for place, kinds in content["placement"].items() for kind in kinds},
    )


def _by_model(table):
    """Dict model key -> outer key of a table {outer key: {library: [names]}}."""
    return {f"{lib}/{name}": key for key, libs in table.items() for lib, names in libs.items() for name in names}
