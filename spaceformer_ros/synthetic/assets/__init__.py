# SPDX-License-Identifier: Apache-2.0
"""Real furniture models for generated rooms, from Debian's package `sweethome3d-furniture` and from Infinigen.

catalogue   reads the catalogues of Sweet Home 3D's libraries;  table: which model is of which kind (`kinds.yaml`)
infinigen   reads models that `tools/infinigen_models.py` generates
mesh        reads OBJ and MTL files;  surface: coloured points on the visible surface of a mesh
cache       reads all models once into a folder that training needs afterwards;  credits: attribution of their authors
shape       a cached model as the Shape of a thing;  replace: puts models in the place of generated things
unseen      rooms of models only, for training and for validation on models that training never has
"""

from .cache import HALVES, build_cache, default_folder, has_cache, read_library
from .credits import write_credits
from .replace import replace_things
from .unseen import only_models_config, unseen_shapes_config

__all__ = [
    "HALVES",
    "build_cache",
    "default_folder",
    "has_cache",
    "only_models_config",
    "read_library",
    "replace_things",
    "unseen_shapes_config",
    "write_credits",
]
