"""Names that users may have written down: they exist, and stay."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pymc_bnn

ROOT = Path(__file__).parents[2]
# The public names of commit c30ea79, before the package was laid out in rooms.
PUBLIC = {
    "pymc_bnn": """
        Approximation NonFiniteError Prediction StreamError __version__ adam bayesian callbacks
        compilation_cache datasets efficiency elbo fit guides networks plots priors report
        uncertainty
    """,
    "pymc_bnn.approximation": "Approximation",
    "pymc_bnn.bayesian_network": "NetworkInput bayesian network_inputs",
    "pymc_bnn.callbacks": """
        CSVLogger EarlyStopping HeldOut Info MLflowLogger Progress Snapshots TensorBoardLogger
    """,
    "pymc_bnn.datasets": """
        Dataset data_home load_digits load_kmnist_images load_mnist load_mnist_spatter noise_images
        read_idx
    """,
    "pymc_bnn.efficiency": "gradient_variance step_rates",
    "pymc_bnn.elbo": """
        ESTIMATORS Elbo Estimator Part Parts assemble check_closed_forms check_sign check_spec
        find_layers needs_rows
    """,
    "pymc_bnn.errors": "NonFiniteError",
    "pymc_bnn.fitting": "NonFiniteError fit",
    "pymc_bnn.guides": """
        Block Delta Drawn Factorised FullRank Guide LowRank MeanField Posterior Start
        VariationalDropout assign_guides make_blocks
    """,
    "pymc_bnn.networks": "Network convnet lenet5 mlp",
    "pymc_bnn.plots": """
        band_panels compare_bands confusion_matrix coverage_curves density_by_correctness dots
        elbo_curve elbo_curves entropy_histograms held_out_curves mixture_density pit_histogram
        predicted_observed predictive_band predictive_bars probability_intervals pruning_curves
        refusal_curves reliability_diagram residuals risk_coverage_curves save scale_posteriors
        uncertain_examples uncertainty_densities vote_grid weight_posteriors
    """,
    "pymc_bnn.prediction": """
        ClassPrediction ClassTotal DensityTotal LIMIT_BYTES Prediction ValuePrediction ValueTotal
    """,
    "pymc_bnn.priors": """
        Argument Beta Distribution Exponential FanIn Flat HalfCauchy HalfNormal Horseshoe
        InverseGamma Laplace LogNormal Normal Place Posterior Prior ScaleMixture Site StudentT
        assign build default_prior fan_in_normal from_posterior spike_and_slab
    """,
    "pymc_bnn.pruning": "Pruned prune pruning_table signal_to_noise",
    "pymc_bnn.report": "compare make_folder write_report",
    "pymc_bnn.sklearn": "BNNClassifier BNNRegressor",
    "pymc_bnn.uncertainty": """
        CalibrationFloor ChiSquare ClassPrediction Conformal ConformalValues Coverage Detection
        Interval VarianceParts area_under_risk_coverage bootstrap_interval brier_score
        calibration_error calibration_floor chi_square class_votes conformal
        conformal_coverage_interval conformal_values count_votes coverage_at_risk coverage_table
        crps detect detection_table error_detection evaluate evaluate_values expected_entropy
        interval_coverage interval_summary label_votes mutual_information nlpd pit
        predictive_entropy probability_interval refusal_threshold refuses reliability risk_coverage
        sample_labels set_summary summary uncertainty_score value_interval variance_parts
    """,
}


# Names that have no alias yet, to be struck out once they have.
@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_stay(module):
    found = importlib.import_module(module)
    missing = {name for name in PUBLIC[module].split() if not hasattr(found, name)}
    assert not missing
    unlisted = set(PUBLIC[module].split()) - set(found.__all__)
    assert not unlisted


@pytest.mark.parametrize("module", PUBLIC)
def test_all_that_is_listed_exists(module):
    found = importlib.import_module(module)
    for name in found.__all__:
        assert hasattr(found, name), name


# What examples and documents use -----------------------------------------------------------------

DOCUMENTS = sorted(
    path
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*"), *(ROOT / "examples").rglob("*"))
    if path.suffix in {".md", ".py"}
)


def trees(path: Path) -> list[ast.Module]:
    """Return the code of a file, or of the Python blocks of a document."""
    text = path.read_text()
    if path.suffix == ".py":
        return [ast.parse(text)]
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [ast.parse(block) for block in blocks]


def modules_and_names(path: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return what a file's names stand for, and the pairs of a module and a name it imports."""
    space: dict[str, Any] = {"bnn": pymc_bnn}
    pairs = []
    for node in (node for tree in trees(path) for node in ast.walk(tree)):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "pymc_bnn":
            module = importlib.import_module(node.module)
            for alias in node.names:
                pairs.append((node.module, alias.name))
                space[alias.asname or alias.name] = getattr(module, alias.name, None)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "pymc_bnn":
                    module = importlib.import_module(alias.name)
                    space[alias.asname or "pymc_bnn"] = module if alias.asname else pymc_bnn
    return space, pairs


def resolved(node: ast.expr, space: dict[str, Any]) -> Any:
    """Return what an expression such as ``bnn.priors.Normal`` stands for; None where unknown."""
    if isinstance(node, ast.Name):
        return space.get(node.id)
    if not isinstance(node, ast.Attribute):
        return None
    owner = resolved(node.value, space)
    if not isinstance(owner, (ModuleType, type)):
        return None
    assert hasattr(owner, node.attr), ast.unparse(node)
    return getattr(owner, node.attr)


def calls(path: Path) -> Iterator[tuple[ast.Call, Any]]:
    space, _ = modules_and_names(path)
    for node in (node for tree in trees(path) for node in ast.walk(tree)):
        if isinstance(node, ast.Call):
            yield node, resolved(node.func, space)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_names_in_documents_exist(path):
    space, pairs = modules_and_names(path)
    for module, name in pairs:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"
    for node in (node for tree in trees(path) for node in ast.walk(tree)):
        resolved(node, space)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_keywords_in_documents_exist(path):
    for node, function in calls(path):
        if function is None:
            continue
        parameters = inspect.signature(function).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            given = {keyword.arg for keyword in node.keywords} - {None}
            assert given <= set(parameters), ast.unparse(node)


def test_the_documents_are_found_and_use_the_package():
    assert {"README.md", "digits.py", "mnist_hierarchical.py"} <= {p.name for p in DOCUMENTS}
    used = [function for path in DOCUMENTS for _, function in calls(path) if function is not None]
    assert pymc_bnn.fit in used
    assert len(used) > 100


@pytest.mark.parametrize("module", [pymc_bnn, *pymc_bnn._MODULES])
def test_tab_completion_shows_public_names_only(module):
    found = importlib.import_module(f"pymc_bnn.{module}") if isinstance(module, str) else module
    assert dir(found) == sorted(found.__all__)
