"""Scores and losses over the course of training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .style import ACCENT, INK, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCORES = {"iou": "mean IoU", "ap": "AP"}


@styled
def curves(history: Sequence[Mapping[str, Any]], title: str | None = None) -> Figure:
    """Loss and mean IoU, or AP, over the epochs of `fit`'s history; training solid, validation dashed."""
    if not history:
        raise ValueError("curves: the history is empty")
    known = [f"{part}_{what}" for part in ("val", "train") for what in SCORES if f"{part}_{what}" in history[-1]]
    if not known:
        raise ValueError(f"curves: the rows hold {list(history[-1])}; needed a score, train_iou, val_iou or val_ap")
    part, judged = known[0].split("_")
    best = max((row for row in history if known[0] in row), key=lambda row: row[known[0]])
    score = best[known[0]]
    kind, named = {"val": "validation", "train": "training"}[part], SCORES[judged]
    sentence = f"{named[0].upper()}{named[1:]} on {kind} data is best after epoch {best['epoch']}: {score:.3f}"
    figure = new_figure(8, 3.2, title or sentence)
    epochs = [row["epoch"] for row in history]
    for ax, what, label in zip(figure.subplots(1, 2), ("loss", judged), ("loss", named)):
        for part, dashes, color, marker in (("train", "-", INK, "o"), ("val", "--", ACCENT, "s")):
            if f"{part}_{what}" in history[-1]:
                values = [row.get(f"{part}_{what}", math.nan) for row in history]
                name = {"train": "training", "val": "validation"}[part]
                ax.plot(epochs, values, dashes, color=color, marker=marker, ms=3, label=name)
        if what == judged:
            ax.plot(best["epoch"], score, "o", ms=9, mfc="none", color=INK)
            ax.set_ylim(0, 1)
        else:
            ax.set_ylim(bottom=0)
        ax.set(xlabel="epoch", ylabel=label)
        ax.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
        ax.legend()
    return figure


@styled
def scores(histories: Mapping[str, Sequence[Mapping[str, Any]]], title: str | None = None) -> Figure:
    """Mean IoU on validation data over epochs of several runs, {name: history}, each line named at its end."""
    figure = new_figure(7, 3.4, title)
    ax = figure.subplots()
    for k, (name, history) in enumerate(histories.items()):
        epochs, values = zip(*((row["epoch"], row["val_iou"]) for row in history))
        shade = f"{0.55 * (1 - k / max(len(histories) - 1, 1)):.2f}"  # grey to black
        ax.plot(epochs, values, ("-", "--", "-.", ":")[k % 4], marker="osD^v"[k % 5], ms=4, color=shade, label=name)
        ax.annotate(name, (epochs[-1], values[-1]), textcoords="offset points", xytext=(7, -3))
    ax.set(xlabel="epoch", ylabel="mean IoU (validation)", ylim=(0, 1))
    ax.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    ax.margins(x=0.12)
    return figure


@styled
def learning_rates(rates: Sequence[float], losses: Sequence[float], chosen: float, title: str | None = None) -> Figure:
    """The loss at each learning rate of a range test, and the chosen rate."""
    figure = new_figure(6, 3.2, title or f"The loss falls fastest at a learning rate of {chosen:.1e}")
    ax = figure.subplots()
    ax.plot(rates, losses, "-o", color=INK, ms=3)
    ax.axvline(chosen, color=ACCENT, ls="--")
    ax.set(xscale="log", xlabel="learning rate", ylabel="loss")
    return figure
