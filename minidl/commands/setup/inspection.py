"""The description of a data set that `minidl inspect` prints, writes and draws."""

import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from .datasets import build_dataset, layout_options
from .prepare import shared

MAX_LINES, MAX_LABELS = 12, 40


@dataclass
class Description:
    """The parts of a data set with their surveys, the faults that prevent training, and the report as JSON."""

    config: dict
    parts: dict = field(default_factory=dict)  # name: (dataset, survey)
    faults: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    report: dict = field(default_factory=dict)


def describe(config):
    """Read the data that `config` names, once."""
    from ...data.survey import survey
    from ...data.verdict import class_weights, faults_of

    found = Description(config)
    config = dict(config)
    _leftovers(found, config)
    told = config["folder_classes"] or config["mask_values"] or config["color_table"]
    if config["data"] == "folder" and not told:
        config["folder_classes"] = _classes_there(found, config)
    found.config = config
    for number, part in enumerate(("train", "val")):
        try:
            dataset = build_dataset(config, number)
        except (ValueError, OSError) as error:
            found.faults.append(str(error))
            continue
        seen = survey(dataset, True, config["exif"] == "apply")
        found.parts[part] = (dataset, seen)
        faults = faults_of(seen, dataset, config["skip_broken"])
        if part == "val" or config["allow_missing_class"]:
            faults = [fault for fault in faults if fault.kind != "missing class"]
        found.faults += [fault.message for fault in faults]
        found.notes += _notes(seen, part)
    if len(found.parts) == 2 and config["data"] != "digits":
        note = shared(*(dataset for dataset, _ in found.parts.values()))
        found.notes += [note] if note else []
    found.faults = list(dict.fromkeys(found.faults))
    if "train" in found.parts:
        dataset, seen = found.parts["train"]
        weights = dict(zip(dataset.classes, class_weights(seen, dataset).round(3).tolist()))
        found.report = _report(found, weights)
    else:
        found.report = {"root": config["root"], "layout": config["data"], "faults": found.faults, "notes": found.notes}
    return found


def _leftovers(found, config):
    """Note the files that the layout "folder" leaves without a partner, without raising an error."""
    if config["data"] != "folder":
        return
    from ...data.layouts.pairs import pairing

    roots = [Path(config["root"]) / part for part in ("train", "val", "test")]
    for root in [r for r in roots if r.is_dir()] or [Path(config["root"])]:
        try:
            pairs, _, _ = pairing(root, layout_options(config | {"allow_unpaired": True}))
        except (OSError, ValueError):
            return  # building the part raises the same error
        for kind, paths in (("image without a mask", pairs.images_alone), ("mask without an image", pairs.masks_alone)):
            found.notes += [f"left over: {path} ({kind})" for path in paths]
        reasons = Counter(reason for _, reason in pairs.ignored)
        found.notes += [f"{_files(count)} ignored: {reason}" for reason, count in reasons.items()]
        if pairs.images_alone or pairs.masks_alone:
            if config["allow_unpaired"]:
                continue
            found.faults.append(
                f"{len(pairs.images_alone)} images without a mask, {len(pairs.masks_alone)} masks without an image in {root}; "
                "--allow-unpaired leaves them out"
            )
            config["allow_unpaired"] = True


def _classes_there(found, config):
    """The number of classes that the masks suggest, at least 2; `train` needs it as an option."""
    from ...data.survey import survey

    try:
        dataset = build_dataset(config | {"folder_classes": ["256"], "split": 0.5, "val_root": None, "lists": None}, 0)
    except (ValueError, OSError):
        return ["2"]
    labels = [v for v in survey(dataset, False).stored if isinstance(v, int) and v != config["folder_ignore"]]
    if 65535 in labels:
        labels.remove(65535)  # the ignored label with more than 255 classes
    count = max(labels, default=1) + 1
    if len(labels) <= 1 or count > 100 * len(labels):
        count = 2
    found.notes.append(f"--folder-classes is not given: the masks suggest {max(count, 2)}")
    return [str(max(count, 2))]


def _notes(seen, part):
    readable = seen.readable()
    notes = []
    turned = sum(facts.orientation != 1 for facts in readable)
    if turned:
        verb = "is" if turned == 1 else "are"
        notes.append(f"{part}: {turned} image{'s' * (turned > 1)} {verb} turned upright as the EXIF orientation says")
    pages = [facts.path for facts in readable if facts.pages > 1]
    if pages:
        verb = "has" if len(pages) == 1 else "have"
        notes.append(f"{part}: {_files(len(pages))} {verb} several pages, of which the first is read ({pages[0]})")
    if seen.mask_pages:
        verb = "has" if len(seen.mask_pages) == 1 else "have"
        count = len(seen.mask_pages)
        notes.append(
            f"{part}: {count} mask{'s' * (count > 1)} {verb} several pages, of which the first is read ({seen.mask_pages[0]})"
        )
    if seen.void:
        verb = "mask has" if len(seen.void) == 1 else "masks have"
        notes.append(f"{part}: {len(seen.void)} {verb} no labelled pixel ({seen.void[0]})")
    return notes


def _files(count):
    return f"{count} file{'s' * (count > 1)}"


def _report(found, weights):
    report = {
        "root": found.config["root"],
        "layout": found.config["data"],
        "faults": found.faults,
        "notes": found.notes,
    }
    report["class weights"] = weights
    report["split"] = _split(found)
    for part, (dataset, seen) in found.parts.items():
        pixels = max(sum(seen.counts.values()), 1)
        report[part] = {
            "images": len(dataset),
            "sizes": _counted(f"{f.size[1]}x{f.size[0]}" for f in seen.readable()),
            "modes": _counted(f"{f.mode} {f.dtype}" for f in seen.readable()),
            "folders": _counted(_folder(f.path, found.config["root"]) for f in seen.images),
            "palette": _palette(dataset),
            "suffixes": _counted(Path(f.path).suffix for f in seen.images),
            "mask modes": dict(seen.mask_modes),
            "stored values": {str(value): count for value, count in seen.stored.most_common(300)},
            "labels": {
                str(label): {
                    "name": _name(dataset, label),
                    "share of pixels": round(count / pixels, 6),
                    "images": seen.presence[label],
                }
                for label, count in sorted(seen.counts.items())
            },
            "files": [asdict(facts) for facts in seen.images],
        }
    return report


def _split(found):
    """A line about the division of the images by --split, where the layout has no parts."""
    from ...data.layouts import Subset

    sets = [dataset for dataset, _ in found.parts.values()]
    if len(sets) < 2 or not all(isinstance(dataset, Subset) for dataset in sets):
        return ""
    count, whole = len(sets[1]), len(sets[0]) + len(sets[1])
    return (
        f"--split {found.config['split']:g}: {count} of {whole} images validate, spread evenly over the order of names"
    )


def _folder(path, root):
    inside = Path(os.path.relpath(path, root)).parent.as_posix()
    return inside if not inside.startswith("..") else Path(path).parent.as_posix()


def _palette(dataset):
    """{label: "#rrggbb"} of the first mask that is a palette picture; empty where there is none."""
    from PIL import Image

    from ...data.layouts.subset import innermost
    from ...data.picture import FORMATS

    for index in range(min(len(dataset), 8)):
        inner, k = innermost(dataset, index)
        if not hasattr(inner, "pairs"):
            return {}
        try:
            with Image.open(inner.pairs[k][1], formats=FORMATS) as picture:
                if picture.mode != "P":
                    continue
                colors = np.array(picture.getpalette("RGB")).reshape(-1, 3)
                labels = np.unique(np.array(picture))
        except (OSError, ValueError):
            continue
        return {int(v): "#" + bytes(colors[v].tolist()).hex() for v in labels if v < len(colors)}
    return {}


def _counted(values):
    return dict(Counter(values).most_common(50))


def _name(dataset, label):
    if label == dataset.ignore_index:
        return "ignored"
    return dataset.classes[label] if 0 <= label < len(dataset.classes) else "not a class"


def text_of(found):
    """The description as lines of text."""
    config, report = found.config, found.report
    lines = [f"{config['root']}: layout {config['data']}"]
    for part, (dataset, seen) in found.parts.items():
        own = report[part]
        broken = len(seen.images) - len(seen.readable())
        lines.append(
            f"\n{part}: {len(dataset)} images ({_short(own['suffixes'])}){f', {broken} broken' * bool(broken)}"
        )
        if own["folders"]:
            lines.append(f"  folders {_short(own['folders'])}")
        lines.append(f"  sizes   {_short(own['sizes'])} (width x height)")
        lines.append(f"  images  {_short(own['modes'])}")
        if own["mask modes"]:
            lines.append(f"  masks   {_short(own['mask modes'])}")
        if any(isinstance(value, tuple) for value in seen.stored):
            total = sum(seen.stored.values())
            colors = [f"{value} {count / total:.1%}" for value, count in seen.stored.most_common(8)]
            lines.append(f"  colours {', '.join(colors)}")
        if own["palette"]:
            lines.append(
                "  palette " + ", ".join(f"{label} {color}" for label, color in list(own["palette"].items())[:8])
            )
        rows = list(own["labels"].items())
        for label, row in rows[:MAX_LABELS]:
            name, share = row["name"], row["share of pixels"]
            lines.append(f"  label {label:>4}  {name:20}  {share:8.2%} of pixels, in {row['images']} images")
        if len(rows) > MAX_LABELS:
            lines.append(f"  ... and {len(rows) - MAX_LABELS} more labels in report.json")
    if report.get("split"):
        lines.append(f"\nsplit: {report['split']}")
    if "class weights" in report:
        weights = list(report["class weights"].items())
        text = ", ".join(f"{name} {weight:g}" for name, weight in weights[:MAX_LINES])
        lines.append(f"\nclass weights (--class-weights auto): {text}{', ...' * (len(weights) > MAX_LINES)}")
    for title, messages in (("notes", found.notes), ("reasons not to train", found.faults)):
        if messages:
            lines.append(f"\n{title}:")
            lines += [f"  {message}" for message in messages[:MAX_LINES]]
            if len(messages) > MAX_LINES:
                lines.append(f"  ... and {len(messages) - MAX_LINES} more in report.json")
    return "\n".join(lines)


def _short(counts):
    parts = [f"{count} x {name}" for name, count in list(counts.items())[:5]]
    return ", ".join(parts) + (f", ... ({len(counts)} kinds)" if len(counts) > 5 else "")
