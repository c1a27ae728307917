"""What only the first steps of a training would show, said before anything is written."""


def check_steps(config, train):
    """ValueError where the learning rate would still increase when the training ends."""
    steps = config["epochs"] * -(-len(train) // config["accumulate"])
    if config["warmup"] >= steps:
        raise ValueError(f"--warmup {config['warmup']} leaves none of the {steps} steps of the training; needed fewer")


def check_batch(config, train):
    """ValueError where a batch of one image is normalised over after global pooling, which has no variance."""
    if min(config["batch_size"], len(train.dataset)) > 1 or config["task"] == "detection":
        return
    import numpy as np

    from ...autograd.tape import no_grad
    from ...autograd.tensor import Tensor
    from ...data.loader import to_chw
    from .. import building

    image, _ = train._make.transform(*train.dataset[0], np.random.default_rng(0))
    probe = building.build_model(config).train()
    try:
        with no_grad():
            probe(Tensor(to_chw(image)[None]))
    except ValueError as error:
        if "batch of one" in str(error):
            raise ValueError(
                f"--batch-size {config['batch_size']} with {len(train.dataset)} training images: {config['model']} "
                "pools globally and normalises over the batch; needed --batch-size 2 or more, and two images"
            ) from error
        raise
