"""The check for errors that all browser tests have notices them."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.conftest import Complaints
from tests.support.site import OtherSite

POLICY = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'\">"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("<script>console.error('spoken')</script>", "spoken"),
        ("<script>throw new Error('thrown')</script>", "thrown"),
        ("<script>Promise.reject(new Error('rejected'))</script>", "rejected"),
        (POLICY + "<img src='http://127.0.0.1:9/x.png'>", "Content Security Policy"),
        ("<img src='http://127.0.0.1:9/x.png'>", "net::ERR_"),
    ],
)
def test_faults_of_a_page_are_noticed(context: BrowserContext, content: str, complaint: str) -> None:
    complaints = Complaints()
    page = context.new_page()
    complaints.watch(page)
    page.set_content(content)
    page.evaluate("new Promise(requestAnimationFrame)")
    assert any(complaint in found for found in complaints.found), complaints.found


def test_warnings_and_allowed_complaints_pass(context: BrowserContext) -> None:
    complaints = Complaints()
    complaints.allow("^expected")
    page = context.new_page()
    complaints.watch(page)
    page.set_content("<script>console.warn('spoken'); console.error('expected'); console.error('other')</script>")
    [other] = complaints.found
    assert other.startswith("other")


def test_a_request_that_ends_with_its_page_passes(context: BrowserContext, elsewhere: OtherSite) -> None:
    """And one that the server cuts short does not."""
    complaints = Complaints()
    page = context.new_page()
    complaints.watch(page)
    address = elsewhere.add("/empty", "<!doctype html><title>empty</title>")
    page.goto(address)
    page.route("**/held", lambda route: None)
    page.route("**/cut", lambda route: route.abort("connectionreset"))
    with page.expect_request("**/held"):
        page.evaluate("void fetch('held')")
    page.goto(address)
    assert complaints.found == []
    page.evaluate("fetch('cut').catch(() => null)")
    assert "cut: net::ERR_CONNECTION_RESET" in " ".join(complaints.found)
    page.close()


def test_an_icon_that_the_browser_asks_for_by_itself_passes(context: BrowserContext, elsewhere: OtherSite) -> None:
    """Whatever the site answers. An icon that a page names does not."""
    complaints = Complaints()
    page = context.new_page()
    complaints.watch(page)
    page.goto(elsewhere.add("/icons", "<!doctype html><title>icons</title>"))
    page.evaluate("fetch('favicon.ico')")
    assert complaints.found == []
    page.evaluate("fetch('favicon.svg')")
    assert "favicon.svg" in " ".join(complaints.found)
    page.close()
