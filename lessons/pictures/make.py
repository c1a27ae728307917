"""Extracts the pictures of lessons/README.md and README.md from the figures in the executed notebooks:

    python lessons/pictures/make.py

writes NN.jpg, a thumbnail for each lesson, and library.jpg, the best of all in one picture, beside this file.
"""

import argparse
import base64
import io
import json
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
WHOLE = (0, 0, 1, 1)
# Lesson: which of its figures, counted from 0, and the part of it: left, top, right, bottom as fractions.
THUMBNAILS = {
    "02": (0, WHOLE), "03": (1, WHOLE), "04": (1, (0, 0.12, 0.6, 1)), "05": (6, (0, 0.1, 1, 1)),
    "06": (2, (0, 0.1, 1, 1)), "07": (2, (0, 0.1, 1, 1)), "10": (2, WHOLE), "12": (7, (0, 0.1, 1, 1)),
    "20": (4, (0, 0.03, 1, 0.5)),
    "21": (1, WHOLE), "22": (2, (0, 0.03, 1, 0.5)), "23": (1, (0, 0.03, 1, 0.5)), "24": (-1, WHOLE),
    "25": (3, WHOLE), "26": (0, (0, 0.15, 0.6, 1)), "27": (0, (0, 0.08, 0.68, 1)),
}  # fmt: skip
# Columns of the composed picture.
LIBRARY = (
    (("05", 3, WHOLE), ("10", 2, WHOLE), ("21", 1, WHOLE)),
    (("06", 1, WHOLE), ("23", 6, (0, 0, 1, 0.5)), ("24", -1, WHOLE)),
)
BOX, COLUMN, GAP = (240, 150), 760, 24  # pixels


def figures(notebook):
    """All figures of a notebook, in order."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    pictures = [o["data"]["image/png"] for c in cells for o in c.get("outputs", ()) if "image/png" in o.get("data", ())]
    return [Image.open(io.BytesIO(base64.b64decode("".join(p)))).convert("RGB") for p in pictures]


def part(figure, fractions):
    """The part of a figure between four fractions."""
    W, H = figure.size
    return figure.crop([round(f * n) for f, n in zip(fractions, (W, H, W, H))])


def thumbnail(found, which, fractions):
    """A figure's part, made to fit BOX, in the middle of a white one."""
    small = part(found[which], fractions)
    small.thumbnail(BOX, Image.Resampling.LANCZOS)
    page = Image.new("RGB", BOX, "white")
    page.paste(small, ((BOX[0] - small.width) // 2, (BOX[1] - small.height) // 2))
    return page


def composed(found):
    """Columns of figures, all COLUMN wide. found: {lesson: figures}; lessons that are not there are left out."""
    columns = []
    for column in LIBRARY:
        chosen = [part(found[lesson][which], fractions) for lesson, which, fractions in column if found.get(lesson)]
        columns.append(
            [p.resize((COLUMN, round(p.height * COLUMN / p.width)), Image.Resampling.LANCZOS) for p in chosen]
        )
    height = max(sum(p.height + GAP for p in column) for column in columns) - GAP
    page = Image.new("RGB", (len(columns) * (COLUMN + GAP) - GAP, height), "white")
    for k, column in enumerate(columns):
        y, spare = 0, (height - sum(p.height for p in column)) // max(len(column) - 1, 1)
        for picture in column:
            page.paste(picture, (k * (COLUMN + GAP), y))
            y += picture.height + spare
    return page


def main(arguments=None):
    """Write all pictures; returns their paths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE, help="where to write (beside this file)")
    out = parser.parse_args(arguments).out
    found = {path.name[:2]: figures(path) for path in sorted(HERE.parent.glob("[0-9][0-9]_*.ipynb"))}
    pages = {lesson: thumbnail(f, *THUMBNAILS.get(lesson, (0, WHOLE))) for lesson, f in found.items() if f}
    pages["library"] = composed(found)
    for name, page in pages.items():
        page.save(out / f"{name}.jpg", quality=85, optimize=True)
    return [out / f"{name}.jpg" for name in pages]


if __name__ == "__main__":
    for path in main():
        print(path.name, f"{path.stat().st_size / 1e3:.0f} kB")
