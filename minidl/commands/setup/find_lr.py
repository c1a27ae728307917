"""The learning-rate range test: the loss while the rate grows from step to step (Smith 2017, section 3.3)."""

import math

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 60


def find_lr(folder, parts):
    """Train for some steps with increasing rates, write lr.csv and lr.png into `folder`, and print a suggested rate."""
    import numpy as np

    from ...kernels.files import write
    from ..building import build_optimizer

    config, model = parts.config, parts.model.to(parts.config.get("device", "cpu"))
    optimizer, _ = build_optimizer(config | {"warmup": 0, "schedule": "constant"}, model, STEPS)
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    losses, batches = [], _forever(parts.train)
    model.train()
    for rate in rates:
        for group in optimizer.param_groups:
            group["lr"] = float(rate)
        optimizer.zero_grad()
        loss = parts.task.fresh().learn(model, *next(batches))
        losses.append(float(loss))
        if not math.isfinite(losses[-1]) or losses[-1] > 4 * min(losses):
            break
        loss.backward()
        optimizer.step()
    chosen = suggestion(rates[: len(losses)], losses)
    folder.mkdir(parents=True, exist_ok=True)
    table = "lr,loss\n" + "".join(f"{rate:.8g},{loss:.6g}\n" for rate, loss in zip(rates, losses))
    write(folder / "lr.csv", table)
    _draw(rates[: len(losses)], losses, chosen, folder / "lr.png")
    print(f"the loss falls fastest at a learning rate of {chosen:.1e}; losses are in {folder / 'lr.csv'}, lr.png")
    print(f"next: the same command without --find-lr, with --lr {chosen:.1e} and another --out")


def suggestion(rates, losses):
    """The rate at which the smoothed loss falls fastest over the logarithm of the rate."""
    import numpy as np

    finite = np.array([loss for loss in losses if math.isfinite(loss)])
    if len(finite) < 3:
        return float(rates[0])
    smooth, value = [], finite[0]
    for loss in finite:
        value = 0.8 * value + 0.2 * loss
        smooth.append(value)
    slope = np.gradient(np.array(smooth), np.log(rates[: len(finite)]))
    return float(rates[int(slope.argmin())])


def _forever(loader):
    while True:
        yield from loader


def _draw(rates, losses, chosen, path):
    from ...plot import save
    from ...plot.progress import learning_rates

    save(learning_rates(rates, losses, chosen), path)
