"""The fully connected CRF of Krähenbühl & Koltun 2011: energy terms, mean-field inference, search for its parameters.

    crf = DenseCRF(image, [Gaussian(sxy=3, compat=3), Bilateral(sxy=80, srgb=13, compat=10)])   # image (3, H, W), 0..255
    beliefs = crf.inference(from_probabilities(p), iterations=10)                                # (C, H, W), like p

What it is worth behind a coarse network: `fcn32s_small` trained for 175 steps on DigitScenes (128 x 128, digit or
background, large digits), 60 validation scenes, mean IoU over all pixels and over the 3 pixels around borders:

    the network alone                                                   0.659   0.376
    DenseCRF with its default parameters                                0.814   0.669
    DenseCRF, parameters by `tune` on 16 training scenes                0.860   0.754
    nn.CRF of 3 iterations behind it, both trained for 470 more steps   0.959   0.908   (that network alone 0.672, 0.365)

How near the lattice is to the exact sum (mean difference of filtered random beliefs, "after", a photograph of 60 x 80, srgb
in 0..255): it falls as the standard deviations grow. Gaussian alone at 120 x 160: 0.0371 at 0.5 pixels, 0.0068 at 1, 0.0023
at 3, 0.0006 at 12.

    sxy, srgb           3, 5     5, 10    10, 13   20, 20   40, 30   80, 40   80, 80
    filter              0.0247   0.0148   0.0076   0.0026   0.0012   0.0008   0.0005
    beliefs, 10 steps   0.0323   0.0243   0.0231   0.0146   0.0077   0.0051   0.0070
"""

from typing import TYPE_CHECKING

from .inference import DenseCRF, Trace
from .terms import Bilateral, Features, Gaussian
from .unary import from_labels, from_logits, from_probabilities

if TYPE_CHECKING:  # a search needs metrics, which lie above this folder: `_import_paths` makes it `crf.tune`
    from ..train.crf_tuning import tune

__all__ = [
    "Bilateral",
    "DenseCRF",
    "Features",
    "Gaussian",
    "Trace",
    "from_labels",
    "from_logits",
    "from_probabilities",
    "tune",
]
