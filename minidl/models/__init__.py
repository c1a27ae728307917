"""Networks: classifiers that serve as backbones, and the segmentation networks built on them.

Every constructor NAME has the paper's configuration; NAME_small is its small one for lessons. Segmentation networks
return {"out": logits} and, with an auxiliary head, {"out": ..., "aux": ...}.
"""

from . import backbones
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
from .convolutionalize import convolutionalize
from .deeplab_v1 import DeepLabV1, deeplab_v1, deeplab_v1_small
from .deeplab_v2 import DeepLabV2, deeplab_v2, deeplab_v2_small, deeplab_v2_vgg16
from .deeplab_v3 import (
    DeepLabV3,
    deeplabv3_cascade,
    deeplabv3_resnet50,
    deeplabv3_resnet101,
    deeplabv3_small,
    fcn_resnet50,
    fcn_resnet_small,
)
from .deeplab_v3plus import (
    DeepLabV3Plus,
    deeplabv3plus,
    deeplabv3plus_mobilenet_v2,
    deeplabv3plus_resnet101,
    deeplabv3plus_small,
)
from .enet import ENet, enet, enet_small
from .erfnet import ERFNet, erfnet, erfnet_small
from .espnet import ESPNet, espnet, espnet_small
from .fcn import FCN, fcn8s, fcn8s_small, fcn16s, fcn16s_small, fcn32s, fcn32s_small
from .liteseg import LiteSeg, liteseg, liteseg_darknet19, liteseg_shufflenet, liteseg_small
from .pspnet import PSPNet, pspnet, pspnet_small
from .rtseg import (
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
from .segmentation import SegmentationNetwork
from .tiling import predict_tiled
from .unet import UNet, unet, unet_paper, unet_small
