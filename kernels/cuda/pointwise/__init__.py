"""Passes over all numbers: activations, normalisation, losses, optimiser steps."""
