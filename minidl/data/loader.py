"""Batches of a dataset: shuffled by a seed, transformed, prefetched in worker processes, resumable mid-epoch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from ..backend import cuda
from ..backend.ranks import ALONE, Ranks
from ..typing import Array, ArrayLike
from .picture import BrokenImageError, PixelModeError
from .types import Dataset, Sample, Transform
from .workers import Workers

SHUFFLE, SAMPLE = 0, 1  # kinds of random streams: part of their key, after seed and epoch


class BatchMaker:
    """Makes one batch from (epoch, indices); the result does not depend on the worker process."""

    def __init__(self, dataset: Dataset, transform: Transform | None, seed: int, skip_broken: bool) -> None:
        self.dataset, self.transform, self.seed, self.skip_broken = dataset, transform, seed, skip_broken

    def __call__(self, epoch: int, indices: Sequence[int]) -> tuple[tuple[Any, Any] | None, list[tuple[int, str]]]:
        """((images, targets), or None where all samples are broken; the list of (index, message) of broken ones)."""
        samples, broken = [], []
        for index in indices:
            try:
                samples.append(self._sample(epoch, index))
            except BrokenImageError as error:
                if not self.skip_broken or isinstance(error, PixelModeError):
                    raise
                broken.append((index, str(error)))
        return (collate(samples) if samples else None), broken

    def _sample(self, epoch, index):
        try:
            image, target = self.dataset[index]
            if self.transform is not None:
                rng = np.random.default_rng([self.seed, epoch, SAMPLE, index])
                image, target = self.transform(image, target, rng)
            return image, target
        except Exception as error:
            error.add_note(f"while loading sample {sample_name(self.dataset, index)} in epoch {epoch}")
            raise


def sample_name(dataset: Dataset, index: int) -> str:
    """The index of a sample, with the dataset's name for it (a file) where it has one."""
    return f"{index} ({dataset.name(index)})" if hasattr(dataset, "name") else str(index)


def to_chw(image: ArrayLike) -> Array:
    """H x W x C uint8 (then divided by 255) or float to C x H x W float32."""
    image = np.asarray(image)
    if image.ndim != 3 or image.dtype.kind not in "uf" or (image.dtype.kind == "u" and image.dtype != np.uint8):
        raise TypeError(f"DataLoader: image is {image.dtype} {image.shape}; needed H x W x C uint8 or float")
    chw = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    return chw / np.float32(255) if image.dtype == np.uint8 else chw


def collate(samples: Sequence[Sample]) -> tuple[Any, Any]:
    """(images N x C x H x W float32, masks N x H x W int64); for instance dictionaries two lists, since sizes may differ."""
    images = [to_chw(image) for image, _ in samples]
    targets = [target for _, target in samples]
    if isinstance(targets[0], dict):
        return images, targets
    sizes = {image.shape for image in images} | {(len(images[0]), *np.shape(mask)) for mask in targets}
    if len(sizes) > 1:
        raise ValueError(
            f"DataLoader: a batch needs one size, got C x H x W of {sorted(sizes)}; "
            "add Resize or RandomCrop to the transform, or use batch_size=1"
        )
    return np.stack(images), np.stack(targets).astype(np.int64)


class DataLoader:
    """Iterate over (images, targets) batches of NumPy arrays; see `collate` for their shapes.

    transform: `transform(image, target, rng)`, applied to each sample; uint8 images end as 0..1.
    shuffle: a new order each epoch, drawn from (seed, epoch).
    num_workers: number of processes that prepare batches, up to `prefetch` each in advance; 0 uses the calling process. They
        are started by spawn, so a script that uses them needs `if __name__ == "__main__":`.
    skip_broken: skip samples whose file cannot be decoded (BrokenImageError), with one warning for each file; their batch
        is smaller, or left out where it is empty.

    device: "cuda" yields CuPy arrays; a batch is copied through page-locked memory while the one before it is used.

    A sample's random numbers depend on (seed, epoch, index) alone, so batches are bit-identical for any num_workers and
    prefetch, and `load_state_dict` of a state taken in the middle of an epoch continues with the next batch. The epoch
    advances at the end of a pass; after a pass that ends early (`break`) the next one begins the same epoch again. Workers
    stop at `close()`, at the early end of a pass, or with the loader; between complete passes they keep running.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        seed: int = 0,
        transform: Transform | None = None,
        num_workers: int = 0,
        drop_last: bool = False,
        prefetch: int = 2,
        skip_broken: bool = False,
        device: str | None = None,
    ) -> None:
        if batch_size < 1 or num_workers < 0 or prefetch < 1 or seed < 0:
            raise ValueError(
                f"DataLoader: batch_size {batch_size}, num_workers {num_workers}, prefetch {prefetch}, seed {seed}; "
                "needed batch_size and prefetch of at least 1, num_workers and seed of at least 0"
            )
        self.dataset, self.batch_size, self.shuffle, self.seed = dataset, batch_size, shuffle, seed
        self.drop_last, self.num_workers, self.prefetch = drop_last, num_workers, prefetch
        self.device = None if device == "cpu" else device
        if self.device is not None:
            cuda.parse(self.device)
        self.skipped = {}  # {index: message} of the broken samples skipped so far
        self._make = BatchMaker(dataset, transform, seed, skip_broken)
        self.ranks, self._whole = ALONE, False
        self._workers = None
        self.epoch, self._batch, self._start = (
            0,
            0,
            0,
        )  # index of the next batch in this pass; first batch of the next pass

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + bool(rest and not self.drop_last)

    def share(self, ranks: Ranks, whole: bool = False) -> None:
        """Yield only this rank's share: a consecutive part of every batch, or with `whole` every `ranks.size`-th batch.

        Exactly one rank yields each image; parts differ by at most one image, and are empty (0 x C x H x W) where a batch has
        fewer images than there are ranks. With whole batches the ranks may have different numbers of batches.
        """
        self.ranks, self._whole = ranks, whole

    def set_epoch(self, epoch: int) -> None:
        """Make `epoch` the next pass: from its beginning, or from the position of a state loaded for this epoch."""
        if epoch != self.epoch:
            self.epoch, self._batch, self._start = epoch, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """The state from which `load_state_dict` continues with the batch after the last one yielded."""
        return {"epoch": self.epoch, "batch": self._batch, **self._arrangement()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of a loader with the same data and settings; ValueError for other settings."""
        ours, theirs = self._arrangement(), {key: state[key] for key in self._arrangement()}
        if ours != theirs:
            raise ValueError(
                f"DataLoader.load_state_dict: the state is from a loader with {theirs}, this one has {ours}"
            )
        self.epoch, self._batch, self._start = state["epoch"], state["batch"], state["batch"]

    def _arrangement(self):
        names = ("seed", "batch_size", "shuffle", "drop_last")
        return {name: getattr(self, name) for name in names} | {"length": len(self.dataset)}

    def _batches(self):
        """The epoch's batches, as lists of indices."""
        order = np.arange(len(self.dataset))
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch, SHUFFLE]).shuffle(order)
        batches = [order[b * self.batch_size : (b + 1) * self.batch_size].tolist() for b in range(len(self))]
        return batches if self._whole else [self.ranks.part(batch) or batch[:1] for batch in batches]

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        start, self._start = self._start, 0
        epoch, tasks = self.epoch, list(enumerate(self._batches()))[start:]
        tasks = tasks[self.ranks.rank :: self.ranks.size] if self._whole else tasks
        self._batch = start
        results = self._parallel(epoch, tasks) if self.num_workers else self._here(epoch, tasks)
        with closing(results):
            for number, batch in self._uploaded(self._numbered(results, tasks)):
                self._batch = number + 1
                yield batch
        if self.epoch == epoch:
            self.set_epoch(epoch + 1)

    def _numbered(self, results, tasks):
        in_step, last = self.ranks.size > 1 and not self._whole, None
        for (batch, broken), (number, indices) in zip(results, tasks):
            self._report(broken)
            if in_step:
                batch = self._in_step(number, indices, batch, last)
                last = batch
            if batch is not None:
                yield number, batch

    def _in_step(self, number, indices, batch, last):
        """The batch, or an empty one where this rank's part of batch `number` is empty or all broken."""
        whole = range(number * self.batch_size, min((number + 1) * self.batch_size, len(self.dataset)))
        if batch is not None and self.ranks.part(whole):
            return batch
        batch = last if batch is None else batch
        if batch is None:
            raise BrokenImageError(f"DataLoader: all {len(indices)} images of this rank's first batch are broken")
        return tuple(values[:0] for values in batch)

    def _uploaded(self, numbered):
        """The same batches on the device: each is copied while the one before it is used."""
        if self.device is None:
            yield from numbered
            return
        uploader, waiting = cuda.Uploader(self.device), None
        for number, batch in numbered:
            ticket = uploader.start(batch)
            if waiting is not None:
                yield waiting[0], uploader.finish(waiting[1])
            waiting = number, ticket
        if waiting is not None:
            yield waiting[0], uploader.finish(waiting[1])

    def _here(self, epoch, tasks):
        return (self._make(epoch, indices) for _, indices in tasks)

    def _parallel(self, epoch, tasks):
        workers, self._workers = self._workers or Workers(self._make, self.num_workers), None  # owned by this pass
        try:
            yield from workers.map([(epoch, indices) for _, indices in tasks], self.prefetch)
        except BaseException:  # an error, Ctrl-C or an early end of the pass: the results in the pipes are not needed
            workers.close()
            raise
        self.close()
        self._workers = workers

    def _report(self, broken):
        for index, message in broken:
            if index not in self.skipped:
                self.skipped[index] = message
                warnings.warn(f"DataLoader: skipped sample {sample_name(self.dataset, index)}: {message}", stacklevel=3)

    def close(self) -> None:
        """Stop the waiting worker processes; the next pass starts new ones."""
        workers, self._workers = self._workers, None
        if workers is not None:
            workers.close()
