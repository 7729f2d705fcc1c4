"""Approximate posteriors: draws, moments, and the way to the model's own space."""
