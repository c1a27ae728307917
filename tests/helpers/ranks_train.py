"""`ranks_train.py OUT [--resume] [--stop N] [--sick]`: 50 steps of a small network with batch norm, on any number of ranks."""

import argparse
import sys
import time

import numpy as np

import minidl
from minidl import nn, optim
from minidl.backend.ranks import world
from minidl.data import DataLoader
from minidl.train.loop import fit

RANKS = world()


class Noise:
    """25 images 12 x 12 of three classes; some pixels have no label, so that ranks have different numbers of labels."""

    classes, ignore_index = ("a", "b", "c"), 255

    def __init__(self, pause, sick):
        self.pause, self.sick = pause, sick

    def __len__(self):
        return 25

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        time.sleep(self.pause)
        if self.sick and index == 7:
            if self.sick == "hang":
                time.sleep(1000)
            raise OSError(28, "No space left on device", "images/7.png")
        mask = rng.integers(0, 3, (3, 3)).repeat(4, 0).repeat(4, 1)
        image = mask[..., None] / 2 + rng.standard_normal((12, 12, 3)) * 0.3
        mask[rng.random((12, 12)) < 0.5 * rng.random()] = 255
        return image.astype(np.float32), mask


def network():
    minidl.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.0),
        nn.Conv2d(8, 3, 3, padding=1),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--save-every", type=float, default=300.0)
    parser.add_argument("--sick")
    args = parser.parse_args()
    net = network()
    losses = []

    def loss(output, target, ignore, ranks=minidl.backend.ranks.ALONE):
        from minidl.train.loop import segmentation_loss

        value = segmentation_loss(output, target, ignore, ranks=ranks)
        losses.append(ranks.mean(float(value)))
        return value

    fit(
        net,
        DataLoader(Noise(args.pause, args.sick), 5, shuffle=True, seed=1),
        optimizer=optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
        epochs=args.epochs,
        loss=loss,
        folder=args.out,
        resume=args.resume,
        save_every=args.save_every,
        progress=False,
    )
    if not RANKS.rank:
        np.savez(args.out + "/result.npz", losses=losses, **{k: v.data for k, v in net.state_dict().items()})


if __name__ == "__main__":
    main()
    sys.exit()
