"""The noise generator against what independent random numbers show."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pymc_bnn.runtime.noise import Noise, _bits, draw_noise, no_noise, words_of
from pymc_bnn.runtime.precision import precision

N = 2**21
SEEDS = (0, 1, 2**32 - 1)


def normals(seed: int, n: int = N, dtype: str = "float32") -> np.ndarray:
    with precision(dtype):
        return np.asarray(draw_noise(jax.random.key(seed), [Noise("z", (n,))], 1, dtype)["z"])


def bits(words: object, n: int) -> np.ndarray:
    return np.asarray(_bits(jnp.asarray(words, np.uint32), np.arange(n, dtype=np.uint32)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", SEEDS)
def test_moments_of_normals(seed, dtype):
    z = normals(seed, dtype=dtype).astype(float)
    assert np.isfinite(z).all()
    for power in range(1, 9):
        expected, square = stats.norm.moment(power), stats.norm.moment(2 * power)
        error = np.sqrt((square - expected**2) / N)
        assert abs((z**power).mean() - expected) < 4.5 * error, power


@pytest.mark.parametrize("seed", SEEDS)
def test_normals_have_the_normal_distribution_function(seed):
    assert stats.kstest(normals(seed).astype(float), "norm").pvalue > 1e-4


@pytest.mark.parametrize("seed", SEEDS)
def test_tails_are_as_heavy_as_they_should_be(seed):
    z = normals(seed)
    for bound in (2.0, 3.0, 4.0, 4.5, 5.0):
        for beyond in ((z > bound).sum(), (z < -bound).sum()):
            # Two-sided: too few are as wrong as too many.
            p = stats.binomtest(int(beyond), N, stats.norm.sf(bound)).pvalue
            assert p > 1e-4, bound


@pytest.mark.long
def test_single_precision_reaches_as_far_as_24_bits_do():
    quantile = stats.norm.ppf(1 - 2.0**-25)
    assert abs(np.abs(normals(3, 2**25)).max() / quantile - 1) < 0.03
    assert np.unique(normals(3, 2**20, "float64")).size == 2**20


def test_float64_has_more_than_32_bits():
    z = normals(0, 2**20, "float64")
    cells = stats.norm.cdf(z) * 2.0**53
    assert np.unique(np.round(cells) % 2**21).size > 0.35 * 2**20  # 1 without them


@pytest.mark.parametrize("lag", [1, 2, 3, 7, 8, 28, 784, 800, 1024, 2**16, 2**20])
def test_positions_are_uncorrelated(lag):
    z = normals(5).astype(float)
    pairs = N - lag
    for a in (z, z**2 - 1, np.abs(z) - np.sqrt(2 / np.pi)):
        r = (a[:-lag] * a[lag:]).mean() / a.var()
        assert abs(r) < 4.5 / np.sqrt(pairs), lag


def test_no_frequency_stands_out():
    power = np.abs(np.fft.rfft(normals(6).astype(float)))[1:-1] ** 2 / N
    assert stats.kstest(power, "expon").pvalue > 1e-4
    assert power.max() < -np.log(1e-5 / power.size)


def test_steps_and_seeds_are_uncorrelated():
    """Keys as the loop makes them: a step's number folded into a seed's key."""
    n, keys = 2**14, []
    for seed in (0, 1, 2, 3):
        base = jax.random.fold_in(jax.random.key(seed), 0)
        keys += [jax.random.fold_in(base, step) for step in range(50)]
    z = np.stack([draw_noise(k, [Noise("z", (n,))], 1, "float32")["z"] for k in keys]).astype(float)
    r = np.corrcoef(z)[np.triu_indices(len(keys), 1)]
    assert stats.kstest(r * np.sqrt(n), "norm").pvalue > 1e-4
    assert np.abs(r).max() < stats.norm.isf(1e-5 / r.size) / np.sqrt(n)
    # The same number over the steps, too.
    columns = np.corrcoef(z[:, :400].T)[np.triu_indices(400, 1)] * np.sqrt(len(keys))
    assert abs(columns.std() - 1) < 0.02
    assert abs(columns.mean()) < 0.02


def test_pairs_of_bytes_fill_their_cells_evenly():
    b = bits([123, 456], 2**23)
    for shift in (0, 8, 16, 24):
        byte = (b >> shift) & 255
        for lag in (1, 2, 5):
            cells = np.bincount(byte[:-lag].astype(int) * 256 + byte[lag:], minlength=2**16)
            p = stats.chisquare(cells).pvalue
            assert 1e-4 < p < 1 - 1e-4, (shift, lag)


@pytest.mark.parametrize("what", ["place", "first word", "second word"])
def test_every_bit_of_the_input_flips_half_of_the_output(what):
    """Avalanche: one bit of the place or of the words."""
    rng = np.random.default_rng(0)
    n = 2**12
    words = rng.integers(2**32, size=(n, 2), dtype=np.uint32)

    @jax.jit
    def at(words, place):
        # The place enters by adding to the first word.
        return jax.vmap(lambda w: _bits(w, np.zeros(1, np.uint32))[0])(words.at[:, 0].add(place))

    base = np.asarray(at(words, np.uint32(0)))
    for bit in range(32):
        other, place = words.copy(), np.uint32(0)
        if what == "place":
            place = np.uint32(1) << np.uint32(bit)
        else:
            other[:, int(what == "second word")] ^= np.uint32(1) << np.uint32(bit)
        flipped = base ^ np.asarray(at(other, place))
        share = np.unpackbits(flipped.view(np.uint8)).reshape(n, 32).mean(axis=0)
        assert np.abs(share - 0.5).max() < 0.05, bit


def test_overlapping_streams_are_unrelated():
    """Words whose first differ by a shift, or whose second differ in a bit."""
    n = 2**18
    base = bits([1000, 77], n)
    for words in ([1001, 78], [1000, 78], [1000, 77 ^ 2**31], [999, 77 + 2**16]):
        other = bits(words, n)
        for a, b in ((base, other), (base[1:], other[:-1]), (base[:-1], other[1:])):
            share = np.unpackbits((a ^ b).view(np.uint8)).mean()
            assert abs(share - 0.5) < 4.5 * 0.5 / np.sqrt(32 * n), words


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.05])
def test_shares_of_signs_and_of_what_is_kept(keep):
    noise = [Noise("s", (N,), "sign"), Noise("m", (N,), "keep", keep)]
    drawn = draw_noise(jax.random.key(2), noise, 1, "float32")
    signs, mask = np.asarray(drawn["s"]), np.asarray(drawn["m"])
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(signs.mean()) < 4.5 / np.sqrt(N)
    assert np.allclose(np.unique(mask), [0, 1 / keep])
    assert abs((mask > 0).mean() - keep) < 4.5 * np.sqrt(keep * (1 - keep) / N)


def test_inputs_of_one_step_share_no_numbers():
    noise = [Noise("a", (1000, 3)), Noise("b", (None, 40)), Noise("c", (500,), "normal")]
    drawn = draw_noise(jax.random.key(0), noise, 25, "float32")
    values = np.concatenate([np.asarray(drawn[n.name]).ravel() for n in noise])
    alone = normals(0, values.size)
    # One stream, cut into pieces; compiled loops over them may round the last bit otherwise.
    assert np.allclose(values, alone, rtol=1e-5, atol=1e-6)


def test_streams_depend_on_the_key_only():
    a, b = jax.random.key(1), jax.random.key(1, impl="rbg")
    assert np.array_equal(words_of(a), words_of(a))
    assert words_of(b).shape == (2,)


def test_no_noise_has_no_effect():
    noise = [Noise("z", (2,)), Noise("s", (None, 2), "sign"), Noise("m", (3,), "keep", 0.5)]
    assert {k: float(v.mean()) for k, v in no_noise(noise, 4, "float32").items()} == {
        "z": 0.0,
        "s": 1.0,
        "m": 1.0,
    }
