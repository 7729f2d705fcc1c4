"""Variational inference: where it starts, its step, its loop."""
