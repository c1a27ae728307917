"""Networks that the comparison of light networks needs: ENet, ERFNet, ESPNet and the decoders of RTSeg."""
