# SPDX-License-Identifier: Apache-2.0
import pathlib

import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.config import ModelConfig, StorageConfig
from spaceformer_ros.disk.paths import cache_folder, data_folder, find_config

FOLDERS = [
    (cache_folder, ModelConfig, "cache_dir", "XDG_CACHE_HOME", ".cache"),
    (data_folder, StorageConfig, "data_dir", "XDG_DATA_HOME", ".local/share"),
]


def test_config_files_are_found_and_missing_ones_named():
    assert find_config("params.yaml").is_file()
    with pytest.raises(SpaceformerError, match=r"nothing.yaml of this package is missing"):
        find_config("nothing.yaml")


@pytest.mark.parametrize(("folder", "config", "setting", "variable", "default"), FOLDERS)
def test_a_setting_comes_before_the_environment_and_that_before_the_home(
    monkeypatch, tmp_path, folder, config, setting, variable, default
):
    home = tmp_path.resolve()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv(variable, raising=False)
    assert folder(config()) == home / default / "spaceformer_ros"
    monkeypatch.setenv(variable, "")  # as the XDG specification asks: empty is as if not set
    assert folder(config()) == home / default / "spaceformer_ros"
    monkeypatch.setenv(variable, str(home / "elsewhere"))
    assert folder(config()) == home / "elsewhere" / "spaceformer_ros"
    assert folder(config(**{setting: "~/mine"})) == pathlib.Path(home / "mine")
