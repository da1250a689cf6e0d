# SPDX-License-Identifier: Apache-2.0
"""The errors of `benchmarks/studies/gpu_mutants.py` still fit the code."""

from helpers.paths import ROOT

from benchmarks.studies.gpu_mutants import MUTANTS


def test_every_mutant_changes_one_place_and_names_a_test():
    for mutant in MUTANTS:
        code = (ROOT / "spaceformer_ros" / mutant.file).read_text()
        assert code.count(mutant.old) == 1, mutant.what
        file, _, test = mutant.test.partition("::")
        assert f"def {test}(" in (ROOT / file).read_text() if test else (ROOT / file).is_file(), mutant.what
