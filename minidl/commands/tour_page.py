"""The page of `minidl tour`: one self-contained HTML file with its pictures."""

import base64
import html
from pathlib import Path

STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; color: #222; background: #fff }
body { max-width: 60rem; margin: 2.5rem auto; padding: 0 1.2rem }
h1 { font-size: 1.9rem; margin: 0 }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .3rem }
p { margin: .4rem 0 .9rem; max-width: 46rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .35rem .9rem; text-align: right; border-bottom: 1px solid #ddd }
th { font-weight: 600; border-bottom: 2px solid #222 }
th:first-child, td:first-child, td:nth-child(3) { text-align: left }
.bar { display: inline-block; height: .7rem; background: #00224e }
img { max-width: 100%; height: auto; border: 1px solid #e4e4e4; border-radius: 4px; padding: .5rem; box-sizing: border-box }
code { background: #f2f2f2; padding: .1rem .3rem; border-radius: 3px }
footer { color: #666; margin: 3rem 0 1rem; font-size: .9rem }
"""

SECTIONS = {
    "predictions": (
        "Predictions",
        "Scenes that no network was trained on, with other handwriting and photographs. FCN-32s computes one score per 32 "
        "pixels and enlarges it; FCN-16s and FCN-8s add the scores of finer layers; U-Net concatenates features of every "
        "resolution, up to the full one. Under each picture is its IoU with the truth, averaged over the classes that "
        "occur.",
    ),
    "scores": (
        "Learning curves",
        "Mean intersection over union on the validation scenes after each epoch: the area where prediction and truth overlap, "
        "divided by the area of their union, averaged over classes.",
    ),
    "checkerboard": (
        "Checkerboards of transposed convolutions",
        "A transposed convolution adds a window to its output for each input pixel. With kernel 3 and stride 2 the windows "
        "overlap unevenly: some pixels receive four contributions, their neighbours one. With kernel 4 all pixels away "
        "from the border receive as many.",
    ),
    "receptive_field": (
        "Receptive fields",
        "Each pooling doubles the stride from one unit to the next, so the window of the image that a unit depends on grows "
        "exponentially with the number of poolings. The last units of this network depend on nearly the whole scene, which "
        "is how they tell digits apart; but they are 32 pixels apart, and cannot locate a border. Skip connections restore "
        "the position.",
    ),
}

LESSONS = {  # {number: subject}, listed if the checkout has the lesson
    "01": "the tape: a 60-line autograd engine, then the same numbers from minidl",
    "05": "upsampling and checkerboards: a pattern that is there before any training",
    "20": "FCN: a classifier becomes a segmentation network",
}
NEXT = [
    ("minidl train --help", "train a network on your own folder of images and masks"),
    ("minidl info", "which kernels run on this machine, and on how many threads"),
]


def lesson(number):
    """The path of a notebook relative to the root of the checkout, or None where there is none."""
    root = Path(__file__).resolve().parents[2]
    found = sorted(root.glob(f"lessons/{number}_*.ipynb"))
    return str(found[0].relative_to(root)) if found else None


def write_page(out, rows, seconds, figures):
    """Write out/index.html around the PNGs of the same folder; returns its path."""
    from .. import __version__
    from ..kernels.files import write

    top = max(row["iou"] for row in rows)
    body = [
        "<h1>minidl: the tour</h1>",
        "<p>Four networks, built with this library alone, learn to find handwritten digits over photographs, "
        f"on this machine, in {_minutes(seconds)}.</p>",
        "<table><tr><th>network<th>mean IoU<th><th>pixels right<th>parameters<th>seconds<th>images/s</tr>",
    ]
    for row in rows:
        bar = f'<span class="bar" style="width:{8 * row["iou"] / max(top, 1e-9):.2f}rem"></span>'
        body.append(
            f"<tr><td>{html.escape(row['name'])}<td>{row['iou']:.3f}<td>{bar}<td>{row['accuracy']:.1%}"
            f"<td>{row['parameters']:,}<td>{row['seconds']:.0f}<td>{row['rate']:.0f}</tr>"
        )
    body.append("</table>")
    for name in figures:
        title, text = SECTIONS[name]
        data = base64.b64encode((out / f"{name}.png").read_bytes()).decode()
        body.append(f"<h2>{title}</h2><p>{text}</p><img alt='{title}' src='data:image/png;base64,{data}'>")
    steps = [(lesson(number), why) for number, why in LESSONS.items() if lesson(number)] + NEXT
    items = "".join(f"<li><code>{html.escape(what)}</code> {html.escape(why)}</li>" for what, why in steps)
    body.append(f"<h2>Open next</h2><ul>{items}</ul><footer>minidl {__version__}</footer>")
    page = out / "index.html"
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><style>{STYLE}</style>"
    head += "<title>minidl: the tour</title>"
    write(page, f"<!doctype html><html lang='en'><head>{head}</head><body>" + "\n".join(body) + "</body></html>\n")
    return page


def _minutes(seconds):
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
