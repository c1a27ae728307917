"""Networks: classifiers that serve as backbones, and the segmentation networks and detectors built on them.

Every constructor NAME has the paper's configuration; NAME_small is a small one for the lessons. Segmentation networks
return {"out": logits} and, with an auxiliary head, {"out": ..., "aux": ...}; detectors return torchvision's dictionaries.
"""

from . import backbones, detection
from .backbones import (
    VGG,
    AlexNet,
    Backbone,
    Darknet,
    MobileNetV1,
    MobileNetV2,
    ResNet,
    ShuffleNetV1,
    ShuffleNetV2,
    Stage,
    Xception,
    alexnet,
    darknet19,
    mobilenet_v1,
    mobilenet_v2,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    shufflenet_v1,
    shufflenet_v2_x0_5,
    shufflenet_v2_x1_0,
    vgg16,
    vgg16_bn,
    xception41,
    xception65,
)
from .detection import Detector, FasterRCNN, MaskRCNN, fasterrcnn_resnet50_fpn, mask_rcnn_small, maskrcnn_resnet50_fpn
from .fully_convolutional import convolutionalize
from .light.enet import ENet, enet, enet_small
from .light.erfnet import ERFNet, erfnet, erfnet_small
from .light.espnet import ESPNet, espnet, espnet_small
from .light.rtseg import (
    DilationDecoder,
    UNetDecoder,
    dilation_mobilenet,
    dilation_shufflenet,
    dilation_small,
    skipnet_mobilenet,
    skipnet_shufflenet,
    skipnet_small,
    unet_mobilenet,
    unet_mobilenet_small,
    unet_shufflenet,
)
from .light.selfie import SelfieSegmentation, selfie_segmentation
from .multiscale import predict_multiscale
from .segmentation.base import SegmentationNetwork
from .segmentation.deeplab_v1 import DeepLabV1, deeplab_v1, deeplab_v1_small, predict_crf
from .segmentation.deeplab_v2 import DeepLabV2, deeplab_v2, deeplab_v2_small, deeplab_v2_vgg16
from .segmentation.deeplab_v3 import (
    DeepLabV3,
    deeplab_v3,
    deeplab_v3_cascade,
    deeplab_v3_small,
    deeplabv3_resnet50,
    deeplabv3_resnet101,
    fcn_resnet50,
    fcn_resnet101,
    fcn_resnet_small,
)
from .segmentation.deeplab_v3plus import (
    DeepLabV3Plus,
    deeplab_v3plus,
    deeplab_v3plus_mobilenet_v2,
    deeplab_v3plus_resnet101,
    deeplab_v3plus_small,
)
from .segmentation.fcn import FCN, fcn8s, fcn8s_small, fcn16s, fcn16s_small, fcn32s, fcn32s_small
from .segmentation.hypercolumn import (
    BoxHypercolumn,
    Hypercolumn,
    box_hypercolumn,
    box_hypercolumn_small,
    hypercolumn,
    hypercolumn_small,
)
from .segmentation.liteseg import LiteSeg, liteseg, liteseg_darknet19, liteseg_shufflenet, liteseg_small
from .segmentation.pspnet import PSPNet, pspnet, pspnet_small
from .segmentation.unet import UNet, unet, unet_paper, unet_small
from .tiling import predict_tiled

# Constructors of segmentation networks by name; each takes `num_classes`.
NETWORKS = (
    "unet", "unet_small",
    "fcn32s", "fcn16s", "fcn8s", "fcn32s_small", "fcn16s_small", "fcn8s_small",
    "hypercolumn", "hypercolumn_small",
    "deeplab_v1", "deeplab_v1_small", "deeplab_v2", "deeplab_v2_vgg16", "deeplab_v2_small",
    "deeplabv3_resnet50", "deeplabv3_resnet101", "deeplab_v3", "deeplab_v3_cascade", "deeplab_v3_small",
    "deeplab_v3plus", "deeplab_v3plus_resnet101", "deeplab_v3plus_mobilenet_v2", "deeplab_v3plus_small",
    "fcn_resnet50", "fcn_resnet101", "fcn_resnet_small", "pspnet", "pspnet_small",
    "liteseg", "liteseg_shufflenet", "liteseg_darknet19", "liteseg_small",
    "erfnet", "erfnet_small", "espnet", "espnet_small", "enet", "enet_small",
    "skipnet_mobilenet", "skipnet_shufflenet", "skipnet_small",
    "unet_mobilenet", "unet_shufflenet", "unet_mobilenet_small",
    "dilation_mobilenet", "dilation_shufflenet", "dilation_small", "selfie_segmentation",
)  # fmt: skip

# Constructors of detectors by name; each takes `num_classes`, which counts the background.
DETECTORS = ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "mask_rcnn_small")

# Constructors of classifiers by name; each takes `num_classes`.
CLASSIFIERS = (
    "alexnet", "vgg16", "vgg16_bn", "resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v1", "mobilenet_v2",
    "shufflenet_v1", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "darknet19", "xception41", "xception65",
)  # fmt: skip
