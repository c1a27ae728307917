"""`python -m minidl` is the `minidl` command."""

from .cli import main

raise SystemExit(main())
