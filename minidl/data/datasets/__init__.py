"""Published data sets: CamVid, COCO, the Oxford-IIIT pets and PASCAL VOC."""
