"""A PyMC model looked at as a graph: what its terms are, and how they use the examples."""
