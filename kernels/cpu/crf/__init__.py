"""High-dimensional filtering on the permutohedral lattice, and mean-field inference with it."""
