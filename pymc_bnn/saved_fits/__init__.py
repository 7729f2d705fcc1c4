"""Fits as JSON and arrays, and back."""
