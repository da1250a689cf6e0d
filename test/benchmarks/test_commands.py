# SPDX-License-Identifier: Apache-2.0
"""Every program in benchmarks/ starts and explains its arguments."""

import importlib

import pytest
from helpers.paths import ROOT

PROGRAMS = [path for path in sorted(ROOT.glob("benchmarks/**/*.py")) if "__main__" in path.read_text()]


@pytest.mark.slow
def test_every_program_explains_its_arguments(monkeypatch, capsys):
    pytest.importorskip("rclpy", reason="rclpy is not importable: run the tests with `make test`")
    for path in PROGRAMS:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        monkeypatch.setattr("sys.argv", [name, "--help"])
        with pytest.raises(SystemExit) as end:
            importlib.import_module(name).main()
        assert end.value.code == 0, name
        assert "usage:" in capsys.readouterr().out, name
        assert f"python -m {name}" in path.read_text(), f"{name}: its docstring names another command"
