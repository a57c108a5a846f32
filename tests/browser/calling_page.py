"""A page that calls a service: `call` in it answers what a script can read of the answer."""

from contextlib import contextmanager
from dataclasses import dataclass

from selenium.webdriver import Chrome

# `call` answers {status, body, headers}, or {blocked} where the browser keeps the answer back.
PAGE = """<!doctype html><title>A page</title><script>
async function call(base, path, {method = "GET", body, token, headers = {}, ...more} = {}) {
  if (body) headers["Content-Type"] = "application/json";
  if (token) headers["Authorization"] = "Bearer " + token;
  const sent = body && (typeof body === "string" ? body : JSON.stringify(body));
  try {
    const answer = await fetch(base + path, {method, headers, body: sent, ...more});
    return {
      type: answer.type,
      status: answer.status,
      body: await answer.json().catch(() => null),
      headers: Object.fromEntries(answer.headers),
    };
  } catch (error) {
    return {blocked: error.name};
  }
}
</script>"""


def page(_environ, start_response):
    """Serve the page at every path."""
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [PAGE.encode()]


@dataclass
class Caller:
    """A browser, at pages that call the service at this address."""

    browser: Chrome
    service: str

    def visit(self, origin):
        """Be at a page of *origin*."""
        if not self.browser.current_url.startswith(origin + "/"):
            self.browser.get(origin + "/")

    def call(self, origin, path, **options):
        """Have a page of *origin* ask the service."""
        self.visit(origin)
        return self.browser.execute_async_script(
            "call(arguments[0], arguments[1], arguments[2]).then(arguments[3])",
            self.service,
            path,
            options,
        )

    @contextmanager
    def another_tab(self):
        """Be in a second tab, while the block runs; the value goes back and forth."""
        first = self.browser.current_window_handle
        self.browser.switch_to.new_window("tab")
        second = self.browser.current_window_handle
        try:
            yield first, second
        finally:
            self.browser.switch_to.window(second)
            self.browser.close()
            self.browser.switch_to.window(first)
