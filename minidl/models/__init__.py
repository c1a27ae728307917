"""Networks: classifiers that serve as backbones, and the segmentation networks built on them."""

from . import backbones
from .backbones import (
    VGG,
    AlexNet,
    Backbone,
    MobileNetV1,
    MobileNetV2,
    ResNet,
    ShuffleNetV2,
    Stage,
    alexnet,
    mobilenet_v1,
    mobilenet_v2,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    shufflenet_v2_x0_5,
    shufflenet_v2_x1_0,
    vgg16,
    vgg16_bn,
)
from .convolutionalize import convolutionalize
from .fcn import FCN, fcn8s, fcn8s_small, fcn16s, fcn16s_small, fcn32s, fcn32s_small
from .tiling import predict_tiled
from .unet import UNet, unet, unet_paper, unet_small
