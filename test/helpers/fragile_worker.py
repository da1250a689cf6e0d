# SPDX-License-Identifier: Apache-2.0
"""A worker for test_batch.py that ends its process for files with a certain name. Imports nothing heavy."""

import os
import pathlib
import signal


class NoWorker:
    """Cannot be made."""

    def __init__(self):
        raise ImportError("there is nothing to work with")


class FragileWorker:
    """`run` returns the file's name and the worker's process; a file called killer ends the process."""

    def run(self, path):
        name = pathlib.Path(path).stem
        if name == "killer":
            os.kill(os.getpid(), signal.SIGKILL)
        return name, os.getpid()
