"""Parameters of two layers, models of them under a prior, and their log-densities."""

from types import SimpleNamespace

import numpy as np
import pymc as pm
from scipy import stats

from pymc_bnn.priors import Site, assign, build

# The parameters of a network: a kernel without bias, and a dense layer.
SHAPES = {"conv1_W": (2, 2, 3, 4), "dense1_W": (5, 2), "dense1_b": (2,)}
DIMS = {
    "conv1_W": ("conv1_height", "conv1_width", "conv1_in", "conv1_out"),
    "dense1_W": ("dense1_in", "dense1_out"),
    "dense1_b": ("dense1_out",),
}
FAN_IN = {"conv1_W": 12, "dense1_W": 5, "dense1_b": 5}
INPUT_AXIS = {"conv1_W": 2, "dense1_W": 0, "dense1_b": 0}


def make_sites(prefix="", start=0.25):
    return [
        Site(
            name=prefix + name,
            parameter=name,
            layer=prefix + name[:-2],
            prefix=prefix,
            shape=shape,
            dims=tuple(prefix + dim for dim in DIMS[name]),
            fan_in=FAN_IN[name],
            input_axis=INPUT_AXIS[name],
            start=np.full(shape, start),
        )
        for name, shape in SHAPES.items()
    ]


def make_model(prior, sites=None):
    sites = make_sites() if sites is None else sites
    coords = {d: range(n) for s in sites for d, n in zip(s.dims, s.shape, strict=True)}
    with pm.Model(coords=coords) as model:
        build(sites, assign(prior, [site.parameter for site in sites]))
    return model


def random_point(model, seed=0):
    """Return random unconstrained values, and the constrained ones by variable name."""
    rng = np.random.default_rng(seed)
    values, constrained = {}, {}
    for variable in model.free_RVs:
        value = rng.normal(size=variable.type.shape)
        positive = model.rvs_to_transforms[variable] is not None
        values[model.rvs_to_values[variable].name] = value
        constrained[variable.name] = np.exp(value) if positive else value
    return values, constrained


def log_density(model, values):
    return float(model.compile_fn(model.logp(jacobian=False), mode="JAX")(values))


SIZES = {"conv1_W": (3, 3, 1, 2), "dense1_W": (2, 3), "dense1_b": (3,)}
MOMENTS = {
    name: (np.linspace(-1, 1, int(np.prod(shape))).reshape(shape), np.full(shape, 0.5))
    for name, shape in SIZES.items()
}
FITTED = SimpleNamespace(
    mean={name: mean for name, (mean, _) in MOMENTS.items()} | {"noise": np.ones(())},
    std={name: std for name, (_, std) in MOMENTS.items()} | {"noise": np.zeros(())},
)


def mixture(w, weight, first, second):
    return np.logaddexp(
        np.log(weight) + stats.norm.logpdf(w, 0, first),
        np.log1p(-weight) + stats.norm.logpdf(w, 0, second),
    ).sum()
