"""README.md and docs/: their code runs, prints what they show, and what they point at is there."""

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import jax
import pytest

import pymc_bnn as bnn

ROOT = Path(__file__).parents[2]
README, BENCHMARKS = ROOT / "README.md", ROOT / "tests" / "benchmarks" / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
DOCS.remove(ROOT / "docs" / "index.md")  # the first page of the site: the README itself
PAGES = [README, *DOCS, BENCHMARKS]
MOST_EPOCHS, MOST_STEPS = 2, 100  # of a fit of which no output is shown
CACHE = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


class Block(NamedTuple):
    """A fenced block, with the output that the page shows below it."""

    line: int
    code: str
    shown: str | None
    follows: int | None  # this block of the README, counted from 1; None: the page's last one


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page, language):
    """The fenced blocks of a language, each with the block of text that follows at once."""
    text = page.read_text()
    follows = r"(?:^<!-- continues: README.md, block (\d+) -->\n)?"
    fenced = rf"{follows}^```{language}\n(.*?)^```$(?:\n```text\n(.*?)^```$)?"
    return [
        Block(text[: m.start(2)].count("\n") + 1, m[2], m[3], m[1] and int(m[1]))
        for m in re.finditer(fenced, text, re.MULTILINE | re.DOTALL)
    ]


def prose(page):
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


class Ran(NamedTuple):
    printed: str
    names: dict[str, Any]


class Runner:
    """Runs blocks, each once, after those that it follows: on a page in order, after the README's.

    Fits are cut to a few steps, but for those of a block whose output the page shows.
    """

    def __init__(self, monkeypatch):
        self.monkeypatch, self.fit, self.ran = monkeypatch, bnn.fit, {}

    def run(self, page, number=-1):
        """What the block printed, and the names there are after it."""
        all_blocks = blocks(page, "python")
        number %= len(all_blocks)
        block = all_blocks[number]
        if (page, number) not in self.ran:
            names = {"__name__": page.stem}
            if block.follows is not None:
                names = dict(self.run(README, block.follows - 1).names)
            elif number:
                names = dict(self.run(page, number - 1).names)
            elif page != README:
                names = dict(self.run(README, 0).names)
            self.ran[page, number] = Ran(self._execute(page, block, names), names)
        return self.ran[page, number]

    def _execute(self, page, block, names):
        def fit(*args, **options):
            most = {"epochs": MOST_EPOCHS, "steps": MOST_STEPS} if block.shown is None else {}
            cut = {name: min(options[name], n) for name, n in most.items() if name in options}
            if most and not cut:
                cut = {"steps": MOST_STEPS}
            return self.fit(*args, **{"progressbar": False} | options | cut)

        code = compile("\n" * (block.line - 1) + block.code, page, "exec")
        printed = io.StringIO()
        with self.monkeypatch.context() as patched, contextlib.redirect_stdout(printed):
            patched.setattr(bnn, "fit", fit)
            exec(code, names)
        return printed.getvalue()


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """Where files of the pages are written there is nothing of the user's."""
    settings = {name: getattr(jax.config, name) for name in CACHE}
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HOME", str(folder))
        yield Runner(monkeypatch)
    for name, value in settings.items():
        jax.config.update(name, value)


def check_output(printed, shown):
    """The same words; numbers as close as another machine's rounding leaves a fit."""
    number = r"-?\d+(?:\.\d+)?"
    words, expected = (re.sub(number, "_", text).split() for text in (printed, shown))
    assert words == expected
    numbers, expected = ([float(n) for n in re.findall(number, text)] for text in (printed, shown))
    assert numbers == pytest.approx(expected, rel=0.05, abs=0.03)


@pytest.mark.parametrize(
    ("page", "number"),
    [
        pytest.param(page, number, id=f"{name_of(page)}:{block.line}")
        for page in PAGES
        for number, block in enumerate(blocks(page, "python"))
    ],
)
def test_code_runs(runner, page, number):
    printed, shown = runner.run(page, number).printed, blocks(page, "python")[number].shown
    if shown is not None:
        check_output(printed, shown)


def test_classes_from_outside_the_package(runner):
    fitted = runner.run(ROOT / "docs" / "extending.md").names["fitted"]
    summary = fitted.summary()
    assert set(summary["guide"]) == {"OneScale"}
    assert set(summary["estimator"]) == {"sign_flip"}
    assert fitted.params["conv1_W"]["log_scale"].shape == ()
    first, last = fitted.history["elbo"].iloc[[0, -1]]
    assert last > first


def test_choices_by_pattern(runner):
    fitted = runner.run(ROOT / "docs" / "priors_guides_estimators.md").names["fitted"]
    summary = fitted.summary()
    assert summary.loc["conv1_W", ["guide", "estimator"]].tolist() == ["Delta", "pathwise"]
    assert summary.loc["dense1_W", ["guide", "estimator"]].tolist() == ["MeanField", "flipout"]
    assert summary.loc["dense1_W_sigma", "guide"] == "FullRank"


def anchors(page):
    """The anchors that GitHub gives to the headings of a page."""
    found = []
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return found


def links(page):
    text = re.sub(r"`[^`]*`", "", prose(page))
    found = re.findall(r"\]\(([^()\s]+(?:\([^()\s]*\))?)\)", text)
    return [link for link in found if not link.startswith(("http://", "https://"))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", DOCS, ids=name_of)
def test_the_readme_and_its_pages_link_to_each_other(page):
    assert name_of(page) in [link.partition("#")[0] for link in links(README)]
    assert "../README.md" in links(page)


def test_every_page_is_in_the_table_of_contents():
    shown = (ROOT / "docs" / "index.md").read_text().split()
    assert {page.stem for page in DOCS} <= set(shown)


def test_every_picture_is_shown():
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    assert set((ROOT / "docs").glob("*.png")) <= shown


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 130


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_exist(page):
    for name in re.findall(r"`((?:pymc_bnn|tests|examples|docs)/[\w./-]*)`", page.read_text()):
        path = ROOT / name
        assert path.exists() or path.with_suffix(".py").exists(), name  # a module may be a folder


def test_every_room_is_on_the_map():
    text = (ROOT / "docs" / "code_map.md").read_text()
    for path in (ROOT / "pymc_bnn").iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            assert path.stem == "__init__" or f"`pymc_bnn/{path.stem}" in text, path.name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_of_the_package_exist(page):
    for dotted in re.findall(r"\bbnn((?:\.[A-Za-z_]\w*)+)", page.read_text()):
        value = bnn
        for name in dotted.removeprefix(".").split("."):
            value = getattr(value, name)


def source_of(script):
    """The text of a script and of the modules beside it that it imports, which may parse for it."""
    text = script.read_text()
    names = re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)
    beside = [script.with_name(f"{name}.py") for name in names]
    return "\n".join([text, *(path.read_text() for path in beside if path.exists())])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_name_scripts_and_options_that_exist(page):
    code = "\n".join(block.code for block in blocks(page, "bash"))
    inline = "\n".join(re.findall(r"`(python [^`]*)`", prose(page)))
    for line in [*code.splitlines(), *inline.splitlines()]:
        for command in line.partition("#")[0].split("&&"):
            words = shlex.split(command)
            script = next((w for w in words if w.endswith(".py")), None)
            if script is not None:
                source = source_of(ROOT / script)
                for option in [w for w in words if w.startswith("--")]:
                    assert f'"{option}"' in source, f"{script} {option}"
