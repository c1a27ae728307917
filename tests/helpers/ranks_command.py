"""The `minidl` command, for tests that start it under mpiexec."""

import sys

from minidl.cli import main

if __name__ == "__main__":
    sys.exit(main())
