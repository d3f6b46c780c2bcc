"""Controls headless Chromium over its debugging pipe, which needs no port and no library."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

# Debian's name, and the name in some images.
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_S = 60.0


class Browser:
    """One page. `complaints` collects what it logs and throws, `requests` its network requests."""

    def __init__(self):
        if not PROGRAM:
            raise AssertionError("chromium is not installed: run scripts/install-deps --test")
        self._profile = tempfile.mkdtemp(prefix="layernas-chromium-")
        read_commands, self._to = os.pipe()
        self._from, write_answers = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on 4.
        self._process = subprocess.Popen(
            [
                "bash", "-c", f'exec "$@" 3<&{read_commands} 4>&{write_answers}', "chromium", PROGRAM,
                "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self._profile}", "--no-sandbox", "--no-first-run",
                "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking",
                "--disable-component-update", "--no-proxy-server", "--hide-scrollbars", "--force-color-profile=srgb", "about:blank",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(read_commands, write_answers), env={**os.environ, "HOME": self._profile},
        )
        os.close(read_commands)
        os.close(write_answers)
        self._buffer = b""
        self._number = 0
        self._events = []
        self._session = None
        self.complaints, self.requests = [], []
        pages = [each for each in self.call("Target.getTargets")["targetInfos"] if each["type"] == "page"]
        target = pages[0]["targetId"] if pages else self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self._profile, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, method, **parameters):
        """Returns the answer to a command of the DevTools protocol."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") != number:
                continue
            if "error" in answer:
                raise AssertionError(f"{method}: {answer['error']}")
            return answer["result"]

    def _read(self, patience_s=PATIENCE_S):
        deadline = time.monotonic() + patience_s
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"chromium said nothing for {patience_s:.0f} s")
            read = os.read(self._from, 1 << 20)
            if not read:
                raise AssertionError("chromium ended")
            self._buffer += read
        text, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(text)
        self._note(message)
        return message

    def _note(self, message):
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(each.get("value", each)) for each in parameters["args"]))
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        if method:
            self._events.append(method)

    def size(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url):
        """Returns when the page has loaded, with the seconds that this took."""
        self.complaints.clear()
        self.requests.clear()
        self._events.clear()
        begun = time.monotonic()
        self.call("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._events:
            self._read()
        return time.monotonic() - begun

    def value(self, expression):
        """Returns the value of a JavaScript expression. Waits for a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression, timeout_s=PATIENCE_S):
        deadline = time.monotonic() + timeout_s
        while not self.value(expression):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {expression}; complaints: {self.complaints}")
            time.sleep(0.05)

    def screenshot(self, path, whole=True):
        """Writes a PNG of the whole page or of its visible part."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))

    def overflows(self):
        """Returns the elements that extend beyond the right edge of the page."""
        return self.value(
            "(() => { const wide = document.documentElement.scrollWidth; const seen = document.documentElement.clientWidth;"
            " if (wide <= seen) return []; return [...document.querySelectorAll('body *')].filter((each) =>"
            " each.getBoundingClientRect().right > seen + 1 && !each.closest('.scroll')).slice(0, 5).map((each) =>"
            " `${each.tagName}#${each.id}.${each.getAttribute('class')}`).concat(`${wide} > ${seen}`); })()"
        )


# How many pixels of a canvas are drawn on.
DRAWN_PIXELS = """((selector) => { const canvas = document.querySelector(selector);
  if (!canvas) return 0;
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let drawn = 0;
  for (let i = 3; i < pixels.length; i += 4) drawn += pixels[i] > 0;
  return drawn; })"""
