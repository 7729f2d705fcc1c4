"""The site is built without a warning, and the code of all pages runs in full.

``python tests/long/docs.py`` (after ``pip install -e ".[docs]"``) builds it, notebooks included,
without network, looks at each link within it, and that no page asks another host for a script, a
style or a picture. ``--full`` runs each page's code as well, with the fits as long as they are
written; minutes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
NO_NETWORK = "http://127.0.0.1:9"  # where nobody answers


def build():
    environment = os.environ | {"http_proxy": NO_NETWORK, "https_proxy": NO_NETWORK}
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(SITE)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


class Page(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors, self.parts = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        links = [attrs[name] for name in ("href", "src") if attrs.get(name)]
        self.links += links
        self.parts += [] if tag == "a" else links  # what a browser loads by itself
        self.anchors |= {attrs[name] for name in ("id", "name") if attrs.get(name)}


def dead_links():
    """Return links within the site that lead nowhere, and parts of pages that are elsewhere."""
    written = (p for p in SITE.rglob("*.html") if p.relative_to(SITE).parts[0] != "_static")
    pages = {path: Page(path.read_text()) for path in written}
    dead = set()
    for path, page in pages.items():
        away = [part for part in page.parts if urlsplit(part).netloc]
        dead |= {f"{path.relative_to(SITE)}: {part} is on another host" for part in away}
        for link in page.links:
            place, anchor = urldefrag(link)
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            target = (path.parent / unquote(urlsplit(place).path)).resolve() if place else path
            known = pages.get(target)
            lost = anchor and known is not None and unquote(anchor) not in known.anchors
            if not target.exists() or (lost and target.suffix == ".html"):
                dead.add(f"{path.relative_to(SITE)}: {link}")
    return len(pages), sorted(dead)


def run_in_full():
    """Run the blocks of each page with the fits as they are written; return those that failed."""
    sys.path.insert(0, str(ROOT))
    import pytest

    from tests.contracts import test_readme as pages

    class Whole(pages.Runner):
        def _execute(self, page, block, names):  # nothing is cut where an output is shown
            return super()._execute(page, block._replace(shown=block.shown or ""), names)

    failed = []
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HOME", folder)
        runner = Whole(monkeypatch)
        for page in pages.PAGES:
            for number, block in enumerate(pages.blocks(page, "python")):
                where = f"{pages.name_of(page)}:{block.line}"
                began = time.perf_counter()
                try:
                    printed = runner.run(page, number).printed
                    if block.shown is not None:
                        pages.check_output(printed, block.shown)
                except Exception as error:
                    failed.append(f"{where}: {type(error).__name__}: {error}")
                print(f"{where}: {time.perf_counter() - began:.0f} s", flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="run all pages' code in full")
    options = parser.parse_args()
    build()
    n, dead = dead_links()
    notebooks = [p for p in (ROOT / "docs").glob("*.md") if "{code-cell}" in p.read_text()]
    print(f"{n} pages, {len(notebooks)} of them run as notebooks; dead links: {len(dead)}")
    print(*dead, sep="\n")
    failed = run_in_full() if options.full else []
    print(*failed, sep="\n")
    return bool(dead or failed)


if __name__ == "__main__":
    sys.exit(main())
