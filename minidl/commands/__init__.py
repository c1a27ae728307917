"""The subcommands of `minidl`, a module each: register(subparsers) says what it takes, run(args) does it."""
