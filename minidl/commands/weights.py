"""`minidl weights`: lists and downloads published weights."""

import argparse

EXAMPLES = """examples:
  minidl weights                          what there is
  minidl weights deeplabv3_resnet50       download it, once; then it works offline
  minidl predict photo.jpg --weights deeplabv3_resnet50 -o out.png

train, predict, evaluate, export and cost take these names after --weights too. Set MINIDL_WEIGHTS_URL to the
address of a mirror (http or https) that holds all these files in one folder.
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "weights",
        help="list or download published weights",
        description="List the published weights of the networks here, or download some into the user's cache. A file "
        "counts when its SHA-256 is the one known here, for torchvision by its first digits; an interrupted download is "
        "resumed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="weights to download; without a name, all are listed")


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from ..models.weights import entry_of, fetch_weights

    entries = [entry_of(name) for name in args.names]
    if not entries:
        return _list()
    for entry in entries:
        print(f"{entry.name}: {fetch_weights(entry.name)}")
        print(f"licence: {entry.license}")


def _list():
    from ..models.weights import KINDS, PUBLISHED, weights_folder

    folder = weights_folder()
    for kind, (what, classes, figure) in KINDS.items():
        print(f"{kind}: {what}; {len(classes) or 1000} classes; figure: {figure}")
        for entry in (entry for entry in PUBLISHED.values() if entry.kind == kind):
            here = "here" if (folder / entry.file).is_file() else ""
            print(f"  {entry.name:24} {entry.figure:>10} {entry.size:7.1f} MiB  {entry.url:86} {here}".rstrip())
        print()
    for text in dict.fromkeys(entry.license for entry in PUBLISHED.values()):
        print(f"licence: {text}")
    print(f"files are kept in {folder}")
