"""Grading of many submissions: each in a process of its own, hidden cases, feedback, and files that teachers read."""
