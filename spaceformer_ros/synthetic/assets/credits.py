# SPDX-License-Identifier: Apache-2.0
"""Attribution of the models' authors, which their CC-BY licences ask for: a file that is shipped with the weights."""

from .cache import SPLITS

HEADER = """# Credits of the furniture models

Written by `spaceformer assets --credits spaceformer_ros/weights/CREDITS.md`. Weights that were trained on rooms with
real shapes (docs/demo_weights.md says which) have learned from these models of the furniture libraries of
[Sweet Home 3D](https://www.sweethome3d.com) (Debian package `sweethome3d-furniture`) and of the generators of
[Infinigen](https://infinigen.org). The models were converted to surface points, scaled, mirrored and recoloured; none
of them is part of the weights or of this package. Their authors and licences:
"""


def credits(assets):
    """Markdown text that names the licence, authors and models of each library, of the Assets that training may use."""
    libraries = {}
    for asset in assets:
        if asset.split == SPLITS[0]:
            creators = libraries.setdefault((asset.key.split("/")[0], asset.license), {})
            creators.setdefault(asset.creator, set()).add(asset.title)
    parts = [HEADER]
    for (library, license), creators in sorted(libraries.items()):
        parts.append(f"\n## {library}: {license}\n\n")
        parts += [f"- {creator}: {', '.join(sorted(titles))}\n" for creator, titles in sorted(creators.items())]
    return "".join(parts)


def write_credits(assets, path):
    """Write the credits of Assets to a file."""
    path.write_text(credits(assets), encoding="utf-8")
