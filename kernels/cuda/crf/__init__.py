"""The dense CRF: sums over Gaussian kernels, exact or on the permutohedral lattice."""
