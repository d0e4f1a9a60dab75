"""The page in a real browser, where there is one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from carbon_nas.reporting import ask, write_report
from carbon_nas.reporting.document import FigureBlock
from tests.recorded import record_study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_page_opens_in_a_browser_with_its_figures(tmp_path: Path) -> None:
    folder = record_study(tmp_path / "study")
    document = write_report(folder, ask("FR"))
    page = folder / "index.html"
    # The page tells about itself: what a browser made of its pictures ends up in the title.
    probe = "<script>onload=()=>document.title=[...document.images].map(i=>i.naturalWidth>300).join()</script></body>"
    page.write_text(page.read_text().replace("</body>", probe))
    options = [
        *QUIET.split(),
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command = [str(CHROMIUM), *options, "--virtual-time-budget=3000", "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    figures = [block for section in document.sections for block in section.blocks if isinstance(block, FigureBlock)]
    assert f"<title>{','.join(['true'] * len(figures))}</title>" in dom
    assert dom.count("<table>") == len(document.tables)
