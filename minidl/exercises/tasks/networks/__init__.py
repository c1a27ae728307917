"""Exercises of the lessons on networks, 04 and 20 to 25."""
