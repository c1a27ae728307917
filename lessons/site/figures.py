"""The live figures: which there are, what stands beside each, and in which section of which lesson it appears."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure drawn by static/figures/NAME.js: its title, what it shows in words, its lesson and section."""

    name: str
    title: str
    words: str
    lesson: str
    section: str


ALL = (
    Figure(
        "overlap",
        "How often a transposed convolution paints each pixel",
        "Choose the kernel size and the stride. The bars, and the map in two dimensions, count the kernels that reach each "
        "output pixel. Away from the border they are even only if the stride divides the kernel size.",
        "05",
        "A slider",
    ),
    Figure(
        "paint",
        "A kernel paints its output, step by step",
        "Every input pixel adds its value times the kernel to the output, `stride` pixels after the one before. Step through "
        "the inputs and watch sums form where kernels overlap.",
        "05",
        "A transposed convolution by hand",
    ),
    Figure(
        "field",
        "The receptive field grows with each layer",
        "Add layers and see which part of the image the unit in the middle sees: its size grows by dilation times (kernel - 1) "
        "times the product of the strides before.",
        "06",
        "A slider",
    ),
    Figure(
        "gridding",
        "Which pixels three dilated convolutions see",
        "Choose three dilations. Each cell holds the number of paths from that pixel to the one output unit; a cell without a "
        "path is a hole.",
        "07",
        "A slider",
    ),
    Figure(
        "roi",
        "ROI Pool against ROI Align",
        "Drag the box, or focus it and use the arrow keys. ROI Pool rounds its corners to whole cells, so its output jumps; "
        "ROI Align reads between cells, so its output glides.",
        "09",
        "Move the box by fractions of a cell",
    ),
    Figure(
        "crf",
        "A dense CRF on 12 x 12 pixels",
        "Two labels, a noisy belief, and an image with one edge. Each iteration updates all pixels from all others; the "
        "weights say how much colours and places count.",
        "10",
        "Iteration by iteration",
    ),
)
HTML = """<figure class="live" id="figure-{name}" data-figure="{name}">
<figcaption><strong>{title}.</strong> {words}</figcaption>
<noscript><p>This figure needs JavaScript.</p></noscript>
</figure>
<script src="{up}_static/figures/common.js" defer></script>
<script src="{up}_static/figures/{name}.js" defer></script>"""


def html(figure, up):
    """The figure's place on a page `up` folders below the site's root."""
    words = figure.words.replace("`", "")
    return HTML.format(name=figure.name, title=figure.title, words=words, up=up)


def of(lesson):
    """{section: HTML} of the lesson with that number."""
    return {f.section: html(f, "../") for f in ALL if f.lesson == lesson}


def page():
    """The page that holds them all."""
    parts = [
        "# Live figures\n\nEach computes in this page what minidl computes; a test compares the numbers. Every control works "
        "with the keyboard, and a sentence under each figure says what it shows."
    ]
    parts += [f"## {f.title}\n\n```{{raw}} html\n{html(f, '')}\n```" for f in ALL]
    return "\n\n".join(parts) + "\n"
