"""Input images of a command (files, folders with sub-folders, pages of files) and the names of their outputs."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A page of an image file; `inside` is its path relative to the given folder, without file extension."""

    path: Path
    inside: str
    page: int = 0
    pages: int = 1


def find_sources(paths):
    """([Source], whether there are several, so that outputs are folders) of files and folders, in order."""
    from ...data.pairing import IMAGE_SUFFIXES, picture_files

    sources = []
    for path in map(Path, paths):
        if path.is_dir():
            found, _ = picture_files(path)
            if not found:
                raise FileNotFoundError(f"{path} holds no images ({', '.join(IMAGE_SUFFIXES)})")
            sources += [Source(p, p.relative_to(path).with_suffix("").as_posix()) for p in found]
        elif not path.exists():
            raise FileNotFoundError(f"{path}: No such file or folder")
        else:
            sources.append(Source(path, path.stem))
    sources = list({os.path.realpath(source.path): source for source in reversed(sources)}.values())[::-1]
    expanded = [page for source in sources for page in _pages(source)]
    return expanded, len(expanded) > 1 or Path(paths[0]).is_dir()


def _pages(source):
    from PIL import Image

    count = 1
    if source.path.suffix.lower() in (".tif", ".tiff"):
        try:
            with Image.open(source.path) as picture:
                count = getattr(picture, "n_frames", 1)
        except Exception:  # broken, or one that only tifffile reads: reported when it is read
            count = 1
    return [Source(source.path, source.inside, page, count) for page in range(count)]


def names_of(sources):
    """A name without file extension for each source; where two are equal, the file extension becomes part of them."""
    plain = [s.inside + (f"_page{s.page + 1}" if s.pages > 1 else "") for s in sources]
    times = Counter(name.casefold() for name in plain)
    names = [
        name if times[name.casefold()] == 1 else f"{name}_{source.path.suffix[1:]}"
        for name, source in zip(plain, sources)
    ]
    twice = [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
    if twice:
        raise ValueError(f"two images would both be written as {twice[0]}; predict their folders one at a time")
    return names


def refuse_inputs(sources, outputs):
    """Raise ValueError where an output would overwrite an input."""
    inputs = {os.path.realpath(source.path) for source in sources}
    for targets in outputs:
        for path in targets.values():
            if path is not None and os.path.realpath(path) in inputs:
                raise ValueError(f"{path} is one of the images: it would be written over; needed another place")


def output_paths(sources, places, several):
    """For each source {kind of output: path or None}; creates folders; ValueError where an input would be overwritten.

    places: {"output", "mask", "figure", "prob": path or None}. For one source a path is a file or an existing folder.
    """
    from ...kernels.files import check_writable

    names = names_of(sources)
    if several:
        for place, path in places.items():
            if path is not None and path.exists() and not path.is_dir():
                raise FileExistsError(f"{_option(place)} {path} is a file; for several images a folder is needed")
    outputs = [
        {
            place: path / f"{name}{'.npy' if place == 'prob' else '.png'}"
            if path is not None and (several or path.is_dir())
            else path
            for place, path in places.items()
        }
        for name in names
    ]
    refuse_inputs(sources, outputs)
    for targets in outputs:
        for place, path in targets.items():
            if path is None:
                continue
            if several:
                path.parent.mkdir(parents=True, exist_ok=True)
            else:
                _check_kind(place, path)
                check_writable(path)
    return outputs


def _option(place):
    return "-o" if place == "output" else f"--{place}"


def _check_kind(place, path):
    """Raise ValueError for a file extension that does not fit the kind of output."""
    from ...data.image import picture_format
    from ...kernels.files import is_stream

    suffix = path.suffix.lower()
    if place == "prob" and suffix not in (".npy", ".tif", ".tiff"):
        raise ValueError(f"--prob {path}: needed .npy or .tif")
    if place == "mask" and suffix != ".png" and not is_stream(path):
        raise ValueError(f"--mask {path}: needed .png, which keeps every label as it is")
    if place in ("output", "figure"):
        picture_format(path)
