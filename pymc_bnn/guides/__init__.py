"""Families of approximate posteriors, one file each."""

from pymc_bnn.guides.mean_field import MeanField

__all__ = ["MeanField"]
