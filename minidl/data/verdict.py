"""Conclusions from a survey of a data set: faults of the whole set, class weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..typing import Array
from .survey import Fault, Survey


def faults_of(found: Survey, dataset: Any, skip_broken: bool = False) -> list[Fault]:
    """All faults that prevent training on this part: those of single files, then those of the whole set."""
    faults = [fault for fault in found.faults if not (skip_broken and fault.kind == "broken")]
    K, ignore = len(dataset.classes), dataset.ignore_index
    labelled = {label for label in found.counts if 0 <= label < K and label != ignore}
    if found.images and not found.readable():
        faults.append(Fault("nothing left", f"none of the {len(found.images)} images can be decoded"))
    if not found.counts or any(fault.kind in ("range", "mask", "colour mask") for fault in faults):
        return faults
    if found.counts.keys() == {0, 255} and ignore == 255:
        text = (
            "the masks hold only 0 and 255, and 255 means pixels to ignore, so the object would never be learnt: "
            "--mask-values 0,255 makes 255 the label 1"
        )
        faults.insert(0, Fault("0 and 255", text))
    elif _mixed(found, ignore):
        text = "some masks are 1-bit pictures and the others hold 0 and 255, which means pixels to ignore; --mask-values 0,255"
        faults.insert(0, Fault("0 and 255", f"{text} reads both"))
    elif not labelled:
        text = f"no pixel of {len(found.images)} masks has a label: all are {ignore}, which --folder-ignore leaves out"
        faults.append(Fault("all void", text))
    elif missing := [dataset.classes[k] for k in range(K) if k not in labelled]:
        names = ", ".join(missing[:6]) + (f", ... ({len(missing)} in all)" if len(missing) > 6 else "")
        text = f"no pixel of the training masks is of class {names}; --allow-missing-class trains without"
        if len(labelled) > 1 and 0 not in labelled and found.stored.keys() == found.counts.keys():
            values = ",".join(map(str, sorted(labelled)))
            text += f"; --mask-values {values} makes the labels that occur 0 to {len(labelled) - 1}"
        faults.append(Fault("missing class", text))
    return faults


def _mixed(found: Survey, ignore: int) -> bool:
    """Whether black-and-white masks are stored in two ways: 1-bit files, whose white is label 1, and others with 0 and 255."""
    bits = found.mask_modes.get("1", 0)
    others = sum(found.mask_modes.values()) - bits
    known = found.counts.keys() == {0, 1, 255} and ignore == 255
    return bool(known and bits and others) and found.presence[1] <= bits and found.presence[255] <= others


def class_weights(found: Survey, dataset: Any) -> Array:
    """Weights by median frequency balancing, K (Eigen & Fergus 2015, section 6.3.2); 1 for classes that do not occur.

    w_k = median(f) / f_k, where f_k is the share of class k among all labelled pixels, clipped to 0.1..10.
    """
    K = len(dataset.classes)
    share = np.array([found.counts.get(k, 0) if k != dataset.ignore_index else 0 for k in range(K)], np.float64)
    there = share > 0
    weights = np.ones(K)
    if there.any():
        weights[there] = np.median(share[there]) / share[there]
    return np.clip(weights, 0.1, 10.0)
