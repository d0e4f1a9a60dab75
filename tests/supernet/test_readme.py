"""What the README shows of the network, run as it stands there."""

import re
from pathlib import Path

import torch

README = Path(__file__).parents[2] / "README.md"


def test_the_network_of_the_readme_does_what_the_comments_beside_it_say():
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    (shown,) = [block for block in blocks if "mobilenet_v3_space" in block]
    found = {}
    exec(compile(shown, "README.md", "exec"), found)  # noqa: S102  it is our own text
    net, arch, images = found["net"], found["arch"], found["images"]
    assert found["space"].size == 7371**5
    assert sum(parameter.numel() for parameter in net.parameters()) == 7_678_880
    with torch.no_grad():
        assert torch.equal(found["static"](images), net(images, arch, found["statistics"]))
