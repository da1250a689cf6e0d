# SPDX-License-Identifier: Apache-2.0
from .main import main

if __name__ == "__main__":  # processes that --jobs starts import this file again
    main()
