"""Sources of batches: epochs over arrays, streams from outside."""
