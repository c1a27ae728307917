"""`ranks_train.py OUT [options]`: 50 steps of a small network with batch norm, on any number of ranks."""

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
        time.sleep(self.pause)
        if self.sick and index == 7:
            if self.sick == "hang":
                time.sleep(1000)
            if self.sick == "disk":  # the next checkpoint does not fit
                import resource

                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
                return self.sample(index)
            raise OSError(28, "No space left on device", "images/7.png")
        return self.sample(index)

    @staticmethod
    def sample(index):
        """(image, labels), always the same."""
        rng = np.random.default_rng(index)
        mask = rng.integers(0, 3, (3, 3)).repeat(4, 0).repeat(4, 1)
        image = mask[..., None] / 2 + rng.standard_normal((12, 12, 3)) * 0.3
        mask[rng.random((12, 12)) < 0.5 * rng.random()] = 255
        return image.astype(np.float32), mask


def network(bias=False):
    minidl.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=bias),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.0),
        nn.Conv2d(8, 3, 3, padding=1),
    )


class Double(nn.Module):
    """A network that computes in float64."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        for tensor in (*net.parameters(), *net.buffers()):
            if tensor.data.dtype == np.float32:
                tensor.data = tensor.data.astype(np.float64)

    def forward(self, x):
        return self.net(minidl.tensor(x.data.astype(np.float64)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--save-every", type=float, default=300.0)
    parser.add_argument("--sick")
    parser.add_argument("--adamw", action="store_true", help="in float64, with a bias before the batch norm")
    args = parser.parse_args()
    net = Double(network(bias=True)) if args.adamw else network()
    optimizer = optim.AdamW(net.parameters()) if args.adamw else optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []

    def loss(output, target, ignore, ranks=minidl.backend.ranks.ALONE):
        from minidl.train.loop import segmentation_loss

        value = segmentation_loss(output, target, ignore, ranks=ranks)
        losses.append(ranks.mean(float(value)))
        return value

    fit(
        net,
        DataLoader(Noise(args.pause, args.sick), 5, shuffle=True, seed=1),
        optimizer=optimizer,
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
