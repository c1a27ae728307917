"""The fully connected CRF of Krähenbühl & Koltun 2011: energy terms, mean-field inference, search for its parameters."""

from .inference import DenseCRF, Trace
from .terms import Bilateral, Features, Gaussian
from .tuning import tune
from .unary import from_labels, from_logits, from_probabilities

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
