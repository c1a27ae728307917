"""Diagnosis of wrong answers: finds the known mistake that gives the same answer in every case."""
