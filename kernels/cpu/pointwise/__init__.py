"""Kernels that visit every element once or twice: activations, normalisation, losses, optimiser steps."""
