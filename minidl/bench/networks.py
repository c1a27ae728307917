"""Whole networks beside whichever peers are installed: inference of one image, and a training step of a small batch.

Each network is written to an ONNX file with the recipe's weights; the peers run that file. A fresh process of each library
for each network says how much memory it took. Dropout is left out everywhere.
"""

import contextlib
import tempfile
from importlib.util import find_spec
from pathlib import Path

from .cases import Case
from .engines import NAMES
from .measure import geometric_mean, measure
from .peers import OURS, Peer

# {network: (height, width) of the image}, every network of models/README; the detectors cannot be written to ONNX files
SIZES = dict.fromkeys(
    ("resnet50", "mobilenet_v2", "alexnet", "vgg16", "vgg16_bn", "resnet18", "resnet34", "resnet101", "mobilenet_v1", "shufflenet_v1",
     "shufflenet_v2_x1_0", "darknet19", "xception41", "xception65"), (224, 224)
) | {
    "unet": (256, 256), "fcn8s": (224, 224), "fcn16s": (224, 224), "fcn32s": (224, 224),
    "deeplabv3_resnet50": (321, 321), "deeplab_v3plus_mobilenet_v2": (513, 513), "erfnet": (256, 512),
    "hypercolumn": (224, 224), "deeplab_v1": (321, 321), "deeplab_v2": (321, 321), "deeplab_v2_vgg16": (321, 321),
    "deeplab_v3plus": (321, 321), "fcn_resnet50": (321, 321), "pspnet": (321, 321),
    "liteseg": (256, 512), "liteseg_shufflenet": (256, 512), "liteseg_darknet19": (256, 512),
    "espnet": (256, 512), "enet": (256, 512), "skipnet_mobilenet": (256, 512), "skipnet_shufflenet": (256, 512),
    "unet_mobilenet": (256, 512), "unet_shufflenet": (256, 512), "dilation_mobilenet": (256, 512),
    "dilation_shufflenet": (256, 512), "selfie_segmentation": (256, 256),
}  # fmt: skip
INFERENCE, STEP = "inference", "training step"
CLASSES = 21
TARGETS = {INFERENCE: (1.0, 0.7), STEP: (1.4, 1.0)}  # geometric mean and least of the fastest peer's time over ours
MISSING = {"ncnn": "its Python package does not read ONNX files"}


def select(text=None, part=None):
    """Cases of the networks whose name contains the text, of one part or both."""
    cases = []
    for name, (H, W) in SIZES.items():
        for one, N in ((INFERENCE, 1), (STEP, 2)):
            if (not text or text in name) and part in (None, one):
                p = {"network": name, "N": N, "C": 3, "H": H, "W": W, "classes": CLASSES}
                cases.append(Case("networks", f"{name} {N} x {H} x {W}", "network", one, p))
    if not cases:
        raise ValueError(f"bench networks: no network's name contains {text!r}; there are {', '.join(SIZES)}")
    return cases


def available(names):
    """(peers that are installed, a line about each that is not); an unknown name is an error."""
    found, lines = [], []
    for name in dict.fromkeys(names):
        if name in MISSING:
            lines.append(f"{name} is left out: {MISSING[name]}")
        elif name not in NAMES:
            raise ValueError(f"bench: --peer {name} is unknown; there are {', '.join([*NAMES, *MISSING])}")
        elif find_spec(name.partition(".")[0]) is None:
            lines.append(f"{NAMES[name]} is not installed and left out (pip install {name.partition('.')[0]})")
        elif find_spec("onnx") is None:
            lines.append(f"{NAMES[name]} is left out: peers read ONNX files, which needs pip install onnx")
        else:
            found.append(name)
    return found, lines


def export(case, folder):
    """The case with the path of its network's ONNX file."""
    from ..export.onnx import export_onnx
    from .ours import load, make_network

    p, path = case.params, Path(folder, f"{case.params['network']}.onnx")
    if not path.exists():
        export_onnx(load(make_network(p)), path, (p["H"], p["W"]))
    return Case(case.group, case.name, case.op, case.part, p | {"onnx": str(path)})


def run(cases, peers, threads, rounds):
    """For each case its Result, {library: bytes of memory beyond its import}, and {library: why it could not run}."""
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            if peers:
                case = export(case, folder)
            with contextlib.ExitStack() as stack:
                libraries = [
                    stack.enter_context(Peer(name, threads)) for name in (OURS, *(f"engine:{n}" for n in peers))
                ]
                for peer in libraries:
                    peer.name = peer.name.removeprefix("engine:")
                before = {peer.name: peer.ask("peak")["bytes"] for peer in libraries}
                able, failed = _able(case, libraries)
                result = measure(case, able, rounds)
                memory = {peer.name: peer.ask("peak")["bytes"] - before[peer.name] for peer in able}
            yield result, memory, failed


def _able(case, libraries):
    """The libraries that can run the case, and {library: why not} of the others."""
    able, failed = libraries[:1], {}
    for peer in libraries[1:]:
        try:
            peer.ask("build", op=case.op, part=case.part, params=case.params)
        except RuntimeError as error:
            failed[peer.name] = str(error).splitlines()[0]
        else:
            able.append(peer)
    return able, failed


def row(result, memory):
    """One line of the table as a dictionary: milliseconds, megabytes, and the fastest peer's time over ours."""
    row = {"case": result.case.label, "part": result.case.part}
    for name in result.seconds:
        row |= {f"{name} ms": result.time(name) * 1e3, f"{name} variant": result.variant[name]}
        row |= {f"{name} MB": memory[name] / 1e6}
    ratios = {name: result.ratio(name) for name in result.seconds if name != OURS}
    if ratios:
        fastest = min(ratios, key=ratios.get)
        row |= {"fastest": fastest, "ratio": ratios[fastest], "differ": " ".join(result.disagrees)}
    return row


def title(peers):
    """The line above the table."""
    return f"{'milliseconds, MB':56}{'minidl':>16}" + "".join(f"{NAMES[name]:>16}" for name in peers) + "  ratio"


def line(row, peers):
    """A row as text."""
    text = f"{row['case']:56}"
    for name in (OURS, *peers):
        cell = f"{row[f'{name} ms']:.4g}, {row[f'{name} MB']:.0f}" if f"{name} ms" in row else "-"
        text += f"{cell:>16}"
    text += f"{row['ratio']:7.2f} {row['fastest']}" if "ratio" in row else ""
    return text + (f"  RESULTS DIFFER: {row['differ']}" if row.get("differ") else "")


def verdict(rows):
    """Geometric mean and least of the fastest peer's time over ours, beside their targets."""
    lines = []
    for part, (mean, least) in TARGETS.items():
        ratios = [row["ratio"] for row in rows if row["part"] == part and "ratio" in row]
        if ratios:
            found = geometric_mean(ratios), min(ratios)
            met = "met" if found[0] >= mean and found[1] >= least else "NOT MET"
            text = f"{part}, {len(ratios)} networks: the fastest peer's time / ours, geometric mean {found[0]:.2f}, "
            lines.append(text + f"least {found[1]:.2f}; target {mean} and {least}: {met}")
    return "\n".join(lines)
