"""Bayesian neural networks in PyMC."""

__version__ = "0.1.0"
