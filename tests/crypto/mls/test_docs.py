"""Every code block of docs/mls.md runs, from top to bottom."""

import re
from pathlib import Path

_PAGE = Path(__file__).parents[3] / "docs" / "mls.md"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_page_does_what_it_says() -> None:
    page = _PAGE.read_text(encoding="utf-8")
    blocks = list(_BLOCK.finditer(page))
    assert len(blocks) == page.count("```") // 2 > 5
    names: dict[str, object] = {}
    for block in blocks:
        # Blank lines before it give an error the page's own line number.
        source = "\n" * page.count("\n", 0, block.start(1)) + block[1]
        exec(compile(source, str(_PAGE), "exec"), names)
