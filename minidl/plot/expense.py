"""What networks cost, against what they achieve."""

from .style import INK, new_figure, styled


@styled
def costs(costs, accuracy=None, title=None):
    """Networks as points: multiply-adds to the right; up, mean IoU ({name: value}) or, without it, parameters.

    The area of a point grows with its parameters. Networks without a mean IoU are left out where others have one.
    """
    accuracy = accuracy or {}
    shown = [c for c in costs if c.name in accuracy] or list(costs)
    if not shown:
        raise ValueError("costs: there is nothing to show")
    figure = new_figure(7, 4, title or f"Cost of one image of {shown[0].size[0]}x{shown[0].size[1]}")
    ax = figure.subplots()
    for c in shown:
        height = accuracy.get(c.name, c.parameters / 1e6)
        area = 30 + 300 * c.parameters / max(s.parameters for s in shown)
        ax.scatter(c.multiply_adds / 1e9, height, area, facecolor="0.85", edgecolor=INK)
        text = c.name if c.milliseconds is None else f"{c.name}, {c.milliseconds:.0f} ms"
        ax.annotate(text, (c.multiply_adds / 1e9, height), textcoords="offset points", xytext=(8, 4))
    ax.set(xlabel="multiply-adds (billions)", ylabel="mean IoU" if accuracy else "parameters (millions)", xscale="log")
    if not accuracy:
        ax.set_yscale("log")
    ax.margins(x=0.25, y=0.15)
    return figure
