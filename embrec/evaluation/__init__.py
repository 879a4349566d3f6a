"""Evaluate and tune models on held-out data."""
