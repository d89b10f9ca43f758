"""The scanning page in a real browser, as large as a phone's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.integration.app.process import ADMIN, PASSWORD, AppProcess

WIDTH, HEIGHT = 390, 844
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    f"--window-size={WIDTH},{HEIGHT}",
)


def _program(package: str, *names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(f"None of {', '.join(names)} is on PATH: install the Debian package {package}.")
    return found


class Phone:
    """A browser on one app: what a worker sees and types."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self._url = url

    def open(self, path: str) -> None:
        self.driver.get(self._url + path)

    @property
    def path(self) -> str:
        return self.driver.current_url.removeprefix(self._url)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def type(self, *codes: str) -> None:
        """What a scanner types: each code and Enter, into whatever has the focus, without a pause between."""
        self.driver.switch_to.active_element.send_keys("".join(code + Keys.ENTER for code in codes))

    def wait(self, what: str, script: str, *arguments: object) -> None:
        """Until the script's value is true; fails with `what`, the page's path and text."""
        WebDriverWait(self.driver, 10, 0.02, ignored_exceptions=[Exception]).until(
            lambda driver: driver.execute_script(f"return {script}", *arguments), what
        )

    def wait_path(self, path: str) -> None:
        self.wait(f"no {path}", "document.readyState === 'complete' && location.pathname === arguments[0]", path)

    def wait_result(self, state: str, text: str) -> None:
        """Until the banner is in this state and says this."""
        banner = "document.getElementById('result')"
        script = f"{banner}.classList.contains(arguments[0]) && {banner}.textContent.includes(arguments[1])"
        self.wait(f"no {state} result with {text!r}", script, state, text)

    def banner_colour(self) -> tuple[int, int, int]:
        """Red, green, blue."""
        value = self.find("#result").value_of_css_property("background-color")
        red, green, blue = (int(part) for part in value[value.index("(") + 1 : -1].split(",")[:3])
        return red, green, blue

    def check_fits(self) -> None:
        """Nothing is wider than the screen."""
        widths = self.driver.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
        assert widths == [WIDTH, WIDTH], f"{self.path} is wider than the screen"

    def check_focus(self) -> None:
        self.wait("the field lost the focus", "document.activeElement.id === 'code'")

    def check_log(self) -> None:
        """No error, warning or breach of the content security policy so far."""
        driver: Any = self.driver  # its get_log has no types
        log: list[dict[str, Any]] = driver.get_log("browser")
        assert [entry for entry in log if entry["level"] not in ("DEBUG", "INFO")] == []


@pytest.fixture
def phone(app: AppProcess, tmp_path: Path) -> Iterator[Phone]:
    options = ChromeOptions()
    options.binary_location = _program("chromium", "chromium", "chromium-browser", "google-chrome")
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path / 'browser'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = ChromeService(_program("chromium-driver", "chromedriver"), log_output=str(tmp_path / "driver.log"))
    driver = Chrome(options, service)
    try:
        # A window has a least width that is more than a phone's: the page is laid out for the screen set here.
        screen = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        yield Phone(driver, app.url)
    finally:
        driver.quit()


def test_a_worker_scans_on_a_phone(phone: Phone, tmp_path: Path) -> None:
    phone.open("/scan/parent")
    phone.wait_path("/login")
    phone.check_fits()
    phone.find("[name=username]").send_keys(ADMIN)
    phone.find("[name=password]").send_keys(PASSWORD + Keys.ENTER)
    phone.wait_path("/dashboard")
    phone.check_fits()

    phone.find("a[href='/scan/parent']").click()
    phone.wait_path("/scan/parent")
    phone.check_fits()
    phone.check_focus()
    phone.type("sb00001")
    phone.wait_path("/scan/child")
    assert phone.text(".parent") == "Parent bag SB00001"
    assert phone.text(".count") == "0 of 30"

    phone.check_focus()
    phone.type("child0001", "child0002", "child0003")
    phone.wait_result("accepted", "CHILD0003 linked to SB00001 (3/30)")
    red, green, blue = phone.banner_colour()
    assert green > 2 * max(red, blue)
    assert phone.text(".count") == "3 of 30"
    assert phone.find("#code").get_attribute("value") == ""
    phone.check_focus()
    phone.check_fits()

    phone.type("child0002")
    phone.wait_result("refused", "CHILD0002 is already linked to SB00001")
    red, green, blue = phone.banner_colour()
    assert red > 2 * max(green, blue)
    assert phone.text(".count") == "3 of 30"
    phone.check_focus()
    assert phone.driver.save_screenshot(str(tmp_path / "refused.png"))

    phone.find("#undo").click()
    phone.wait_result("accepted", "CHILD0003 removed from SB00001")
    assert phone.text(".count") == "2 of 30"
    phone.check_focus()
    phone.open("/scan/child")
    assert phone.text(".count") == "2 of 30"

    phone.find(".row a").click()
    phone.wait_path("/scan/parent")
    phone.type("SB00002", "child0001", "child0003")
    phone.wait_result("accepted", "CHILD0003 linked to SB00002 (1/30)")
    assert phone.text("#refusals ol") == "DUPLICATE: CHILD0001 is already linked to SB00001."
    phone.type("A" * 200)
    phone.wait_result("refused", "Not a bag code")
    assert phone.text("#refusals li").startswith("AAAA")
    phone.check_fits()
    phone.check_log()
    assert phone.driver.save_screenshot(str(tmp_path / "refusals.png"))

    leave = "return window.dispatchEvent(new Event('beforeunload', {cancelable: true}))"
    phone.driver.set_network_conditions(offline=True, latency=0, throughput=-1)
    phone.type("child0004", "child0005")
    phone.wait_result("waiting", "child0004 no connection, trying again")
    assert phone.driver.execute_script(leave) is False
    phone.driver.set_network_conditions(offline=False, latency=0, throughput=-1)
    phone.wait_result("accepted", "CHILD0005 linked to SB00002 (3/30)")
    assert phone.driver.execute_script(leave) is True

    phone.driver.delete_all_cookies()
    phone.type("child0006")
    phone.wait_result("refused", "NOT SAVED: you are logged out")
    phone.find("nav a").click()
    phone.wait_path("/login")
