"""Layers: objects that hold parameters, with PyTorch's names, arguments and defaults."""

from . import init
from .activation import ELU, GELU, Hardswish, LeakyReLU, LogSoftmax, PReLU, ReLU, ReLU6, Sigmoid, Softmax, Tanh
from .container import Identity, ModuleDict, ModuleList, Sequential
from .conv import Conv2d, ConvTranspose2d, Fold, Unfold
from .crf import CRF
from .dropout import Dropout, Dropout2d
from .linear import Flatten, Linear
from .loss import BCEWithLogitsLoss, CrossEntropyLoss, DiceLoss, FocalLoss, L1Loss, MSELoss, NLLLoss, SmoothL1Loss
from .module import Module, Parameter
from .norm import BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from .pool import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d, MaxUnpool2d
from .separable import DepthwiseSeparableConv2d
from .upsample import PixelShuffle, PixelUnshuffle, ReflectionPad2d, ReplicationPad2d, Upsample, ZeroPad2d
