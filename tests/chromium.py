"""A real browser: Chromium without a window, on 127.0.0.1 and nowhere else.

Debian's packages are `chromium` and `chromium-driver`. Without them such tests are skipped,
saying so; where the environment says CI=true they fail instead.
"""

import os
import shutil

import pytest
from selenium import webdriver

PATIENCE = 20  # Seconds for a script of a test, or for a page.

LOCAL = "EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"
FLAGS = (
    "--headless",
    "--no-sandbox",  # Chromium refuses to be root with one; it only sees pages of the tests.
    "--disable-gpu",
    # No renderer in reserve and no pages kept for "Back", which no test uses: together they are
    # a third of the cost of a navigation.
    "--disable-features=SpareRendererForSitePerProcess,BackForwardCache",
    "--disable-dev-shm-usage",  # Containers have little of it.
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    # Its own services are unknown names to it.
    f"--host-resolver-rules=MAP * ~NOTFOUND, {LOCAL}",
)


def find_or_skip(*names):
    """Return the path of the first program that is there."""
    for name in names:
        if path := shutil.which(name):
            return path
    message = f"{names[0]} is not installed: nothing was tried in a browser"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    return pytest.skip(message)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A WebDriver, one for the session, with a profile of its own; open a page before use."""
    options = webdriver.ChromeOptions()
    options.binary_location = find_or_skip("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    # Named here, so that Selenium does not look for a driver to download.
    service = webdriver.ChromeService(find_or_skip("chromedriver"))
    driver = webdriver.Chrome(options, service)
    driver.set_page_load_timeout(PATIENCE)
    driver.set_script_timeout(PATIENCE)
    yield driver
    driver.quit()
