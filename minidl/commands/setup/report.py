"""Reports of a run after each epoch: a line, the curves, TensorBoard's event files."""

import math
import time
from pathlib import Path

SHOWN_CLASSES = 12  # the scores of more classes are not printed


class Report:
    """Prints a line after each epoch, and draws the curves at most every ten seconds and at the end."""

    def __init__(self, folder, config, best, tensorboard=False):
        self.folder, self.config, self.best, self.drawn = Path(folder), config, best, -math.inf
        self.writer = event_writer(self.folder) if tensorboard else None

    def __call__(self, history):
        from tqdm import tqdm

        from ... import plot

        row, last = history[-1], self.config["epochs"]
        tqdm.write(line(row, self.best))
        classes = [(name, row[f"val_iou_{name}"]) for name in self.config["classes"] if f"val_iou_{name}" in row]
        if 0 < len(classes) <= SHOWN_CLASSES:
            tqdm.write("           " + "  ".join(f"{name} {iou:.3f}" for name, iou in classes))
        if self.writer is not None:
            for name, value in row.items():
                if isinstance(value, int | float) and name != "epoch":
                    self.writer(name, value, row["epoch"])
        if row["epoch"] == last or time.monotonic() - self.drawn > 10:
            plot.save(plot.curves(history), self.folder / "curves.png")
            self.drawn = time.monotonic()


def line(row, best):
    """An epoch's scores on one line."""
    names = {"train_loss": "loss", "train_iou": "IoU", "val_loss": "val loss", "val_iou": "val IoU", "val_ap": "val AP"}
    names |= {"val_ap50": "AP50"}
    scores = "  ".join(f"{text} {row[name]:.4f}" for name, text in names.items() if name in row)
    return f"epoch {row['epoch']:3d}  {scores}  {row['images_per_second']:.1f} images/s"


def event_writer(folder):
    """A function (name, value, epoch) that writes TensorBoard's event files into `folder`."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ValueError("--tensorboard needs the package tensorboard: pip install tensorboard") from error
    writer = EventFileWriter(str(folder))

    def write(name, value, epoch):
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
        writer.add_event(Event(wall_time=time.time(), step=epoch, summary=summary))
        writer.flush()

    return write
