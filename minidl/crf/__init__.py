"""The fully connected CRF of Krähenbühl & Koltun 2011: energy terms, mean-field inference, search for its parameters.

    crf = DenseCRF(image, [Gaussian(sxy=3, compat=3), Bilateral(sxy=80, srgb=13, compat=10)])   # image (3, H, W), 0..255
    beliefs = crf.inference(from_probabilities(p), iterations=10)                                # (C, H, W), like p

`Blocks` does the same on an image that does not fit into memory.

`minidl/bench/RESULTS.md` gives the CRF's gain on a coarse network, and the error of the lattice relative to the exact sum.
"""

from typing import TYPE_CHECKING

from .blocks import Blocks
from .inference import DenseCRF, Trace
from .terms import Bilateral, Features, Gaussian
from .unary import from_labels, from_logits, from_probabilities

if TYPE_CHECKING:  # `tune` needs metrics, which are above this folder; `_import_paths` provides `crf.tune`
    from ..train.crf_tuning import tune

__all__ = [
    "Bilateral",
    "Blocks",
    "DenseCRF",
    "Features",
    "Gaussian",
    "Trace",
    "from_labels",
    "from_logits",
    "from_probabilities",
    "tune",
]
