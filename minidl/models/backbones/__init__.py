"""Classifiers that return their intermediate features by name: the backbones of the segmentation networks and detectors."""

from .alex_net import AlexNet, alexnet
from .base import Backbone, Stage
from .darknet import Darknet, darknet19, darknet_small
from .inverted_residual import MobileNetV2, mobilenet_v2, mobilenet_v2_small
from .mobilenet import MobileNetV1, mobilenet_small, mobilenet_v1
from .resnet import ResNet, resnet18, resnet34, resnet50, resnet101, resnet_small
from .shuffle_net_v1 import ShuffleNetV1, shufflenet_v1, shufflenet_v1_small
from .shufflenet import ShuffleNetV2, shufflenet_small, shufflenet_v2_x0_5, shufflenet_v2_x1_0
from .vgg import VGG, vgg16, vgg16_bn, vgg_small
from .xception import Xception, xception41, xception65, xception_small
