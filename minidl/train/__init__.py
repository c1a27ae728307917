"""Training: `loop` (`fit`), what a `task` computes from a batch, the `run` folder, checkpoints, optimisers and metrics."""
