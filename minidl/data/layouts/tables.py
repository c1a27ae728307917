"""Colour tables of published sets, for masks painted in colours: `--colors voc`, `camvid`, `camvid32`, `cityscapes`."""

from __future__ import annotations

from pathlib import Path

from ..datasets.camvid import CLASSES as CAMVID_CLASSES
from ..datasets.camvid import COLORS as CAMVID_COLORS
from ..datasets.voc import CLASSES as VOC_CLASSES
from ..mask import ColorTable, read_color_table, voc_palette

CITYSCAPES = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70), "wall": (102, 102, 156),
    "fence": (190, 153, 153), "pole": (153, 153, 153), "traffic light": (250, 170, 30), "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35), "terrain": (152, 251, 152), "sky": (70, 130, 180), "person": (220, 20, 60),
    "rider": (255, 0, 0), "car": (0, 0, 142), "truck": (0, 0, 70), "bus": (0, 60, 100), "train": (0, 80, 100),
    "motorcycle": (0, 0, 230), "bicycle": (119, 11, 32),
}  # fmt: skip
CITYSCAPES_IGNORED = (
    (0, 0, 0), (111, 74, 0), (81, 0, 81), (250, 170, 160), (230, 150, 140), (180, 165, 180), (150, 100, 100),
    (150, 120, 90), (0, 0, 90), (0, 0, 110),
)  # fmt: skip

CAMVID32 = {  # the 32 classes of CamVid's own masks, each with its class among the 11
    "Sky": ((128, 128, 128), "sky"), "Building": ((128, 0, 0), "building"), "Wall": ((64, 192, 0), "building"),
    "Bridge": ((0, 128, 64), "building"), "Tunnel": ((64, 0, 64), "building"), "Archway": ((192, 0, 128), "building"),
    "Column_Pole": ((192, 192, 128), "pole"), "TrafficCone": ((0, 0, 64), "pole"), "Road": ((128, 64, 128), "road"),
    "LaneMkgsDriv": ((128, 0, 192), "road"), "LaneMkgsNonDriv": ((192, 0, 64), "road"),
    "Sidewalk": ((0, 0, 192), "pavement"), "ParkingBlock": ((64, 192, 128), "pavement"),
    "RoadShoulder": ((128, 128, 192), "pavement"), "Tree": ((128, 128, 0), "tree"),
    "VegetationMisc": ((192, 192, 0), "tree"), "SignSymbol": ((192, 128, 128), "sign"),
    "Misc_Text": ((128, 128, 64), "sign"), "TrafficLight": ((0, 64, 64), "sign"), "Fence": ((64, 64, 128), "fence"),
    "Car": ((64, 0, 128), "car"), "SUVPickupTruck": ((64, 128, 192), "car"), "Truck_Bus": ((192, 128, 192), "car"),
    "Train": ((192, 64, 128), "car"), "OtherMoving": ((128, 64, 64), "car"), "Pedestrian": ((64, 64, 0), "pedestrian"),
    "Child": ((192, 128, 64), "pedestrian"), "CartLuggagePram": ((64, 0, 192), "pedestrian"),
    "Animal": ((64, 128, 64), "pedestrian"), "Bicyclist": ((0, 128, 192), "bicyclist"),
    "MotorcycleScooter": ((192, 0, 192), "bicyclist"),
}  # fmt: skip
TABLES = ("voc", "camvid", "camvid32", "cityscapes")


def color_table(name: str, ignore_index: int = 255) -> ColorTable:
    """A built-in table by name, or the one in a CSV or JSON file; see `mask.read_color_table`."""
    if name == "voc":
        colors = [tuple(int(c) for c in color) for color in voc_palette(len(VOC_CLASSES))]
        return ColorTable(tuple(VOC_CLASSES), tuple((c,) for c in colors), ((224, 224, 192),), ignore_index)
    if name == "cityscapes":
        return ColorTable(tuple(CITYSCAPES), tuple((c,) for c in CITYSCAPES.values()), CITYSCAPES_IGNORED, ignore_index)
    if name == "camvid32":
        return ColorTable(tuple(CAMVID32), tuple((c,) for c, _ in CAMVID32.values()), ((0, 0, 0),), ignore_index)
    if name == "camvid":
        colors = {kind: {color: None} for kind, color in zip(CAMVID_CLASSES, CAMVID_COLORS)}
        for color, kind in CAMVID32.values():
            colors[kind][color] = None
        return ColorTable(tuple(CAMVID_CLASSES), tuple(map(tuple, colors.values())), ((0, 0, 0),), ignore_index)
    if not Path(name).is_file():
        raise FileNotFoundError(f"--colors {name}: no such file, and no built-in table ({', '.join(TABLES)})")
    return read_color_table(name, ignore_index)
