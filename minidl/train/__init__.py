"""Training: the loop (`fit`), tasks (loss and score of a batch), the run folder, checkpoints, optimisers and metrics."""
