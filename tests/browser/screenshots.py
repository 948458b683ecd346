"""Pictures of what the tests looked at, kept for people: in reports/screenshots, or where NTM_SCREENSHOTS says."""

import os
from pathlib import Path

from playwright.sync_api import Page

FOLDER = Path(os.environ.get("NTM_SCREENSHOTS", Path(__file__).resolve().parents[2] / "reports" / "screenshots"))


def keep(page: Page, name: str, full_page: bool = False) -> Path:
    """Keep a picture of the window, or of the whole page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path, full_page=full_page)
    return path
