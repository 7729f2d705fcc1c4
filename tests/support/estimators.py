"""Settings of scikit-learn estimators for tests: short fits, few draws."""

QUICK = {"steps": 150, "draws": 40, "random_state": 1, "fit_options": {"learning_rate": 0.03}}
