"""Light networks: ENet, ERFNet, ESPNet, the decoders of RTSeg, and MediaPipe's selfie segmentation."""
