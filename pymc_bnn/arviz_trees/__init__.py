"""Results as ArviZ takes them: trees of groups, and cross-validation of draws and of new data."""
