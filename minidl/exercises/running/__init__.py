"""Runs a reader's function so that any failure ends in an explanation."""
