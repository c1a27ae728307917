"""Grading of many submissions: separate processes, hidden cases, feedback, and reports for teachers."""
