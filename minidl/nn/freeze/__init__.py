"""Networks prepared for inference.

`record` runs a network once and lists what it computes; `fuse` shortens the list; `frozen` keeps and runs it.
"""

from .frozen import Frozen, freeze
