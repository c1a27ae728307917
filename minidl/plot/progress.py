"""What training did over time."""

import math

from .style import ACCENT, INK, new_figure, styled


@styled
def curves(history, title=None):
    """Loss and mean IoU over epochs, of `fit`'s history (a list of rows); training solid, validation dashed."""
    if not history:
        raise ValueError("curves: the history is empty")
    validated = "val_iou" in history[-1]
    best = max(history, key=lambda row: row.get("val_iou", row["train_iou"]))
    score = best.get("val_iou", best["train_iou"])
    kind = "validation" if validated else "training"
    figure = new_figure(8, 3.2, title or f"Mean IoU on {kind} data is best after epoch {best['epoch']}: {score:.3f}")
    epochs = [row["epoch"] for row in history]
    for ax, what, label in zip(figure.subplots(1, 2), ("loss", "iou"), ("loss", "mean IoU")):
        for part, dashes, color, marker in (("train", "-", INK, "o"), ("val", "--", ACCENT, "s")):
            if f"{part}_{what}" in history[-1]:
                values = [row.get(f"{part}_{what}", math.nan) for row in history]
                name = {"train": "training", "val": "validation"}[part]
                ax.plot(epochs, values, dashes, color=color, marker=marker, ms=3, label=name)
        if what == "iou":
            ax.plot(best["epoch"], score, "o", ms=9, mfc="none", color=INK)
            ax.set_ylim(0, 1)
        else:
            ax.set_ylim(bottom=0)
        ax.set(xlabel="epoch", ylabel=label)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
    return figure


@styled
def scores(histories, title=None):
    """Mean IoU on validation data over epochs of several runs, {name: history}, each line named at its end."""
    figure = new_figure(7, 3.4, title)
    ax = figure.subplots()
    for k, (name, history) in enumerate(histories.items()):
        epochs, values = zip(*((row["epoch"], row["val_iou"]) for row in history))
        shade = f"{0.55 * (1 - k / max(len(histories) - 1, 1)):.2f}"  # grey to black
        ax.plot(epochs, values, ("-", "--", "-.", ":")[k % 4], marker="osD^v"[k % 5], ms=4, color=shade, label=name)
        ax.annotate(name, (epochs[-1], values[-1]), textcoords="offset points", xytext=(7, -3))
    ax.set(xlabel="epoch", ylabel="mean IoU (validation)", ylim=(0, 1))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.margins(x=0.12)
    return figure
