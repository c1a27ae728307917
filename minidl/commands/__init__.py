"""The subcommands of `minidl`, a module each: register(subparsers) says what it takes, run(args) does it."""


def printable(text: str) -> str:
    """The text with escape sequences and other control characters spelled out: names in files may come from strangers."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
