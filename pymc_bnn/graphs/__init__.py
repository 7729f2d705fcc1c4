"""PyTensor graphs: rewritten, marked, and made into JAX functions."""
