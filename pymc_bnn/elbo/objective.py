"""What the sum of log-likelihood, −KL and log prior may be called."""

from __future__ import annotations

__all__ = ["objective_name"]


def objective_name(*, points: bool, dropout: bool = False) -> str:
    """Return "elbo", or "objective" where it is none.

    With points (:class:`pymc_bnn.guides.Delta`) the sum is no bound on the evidence, and with
    dropout in training it is another function than the model's ELBO: neither is called ELBO, and
    neither may be ranked against one.

    Examples
    --------
    >>> objective_name(points=False), objective_name(points=True)
    ('elbo', 'objective')
    """
    return "objective" if points or dropout else "elbo"
