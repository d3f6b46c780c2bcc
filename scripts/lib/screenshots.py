"""Takes the pictures of docs/images for scripts/demo-dashboards and scripts/tutorial-pictures.

screenshots.py consoles SITE SEARCH FOLDER
screenshots.py report URL FOLDER
screenshots.py tutorial URL FOLDER
"""

import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/integration"))

import browser  # noqa: E402

DRAWN = "document.documentElement.dataset.drawn === 'yes'"


def main():
    kind, *arguments, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    with browser.Browser() as page:

        def picture(url, name, width, height, dark=False):
            page.size(width, height, dark)
            page.open(url)
            page.wait_for(DRAWN)
            page.screenshot(os.path.join(folder, name), whole=False)

        if kind == "consoles":
            site, search = arguments
            picture(f"{site}/layernas.html?range=15m", "console-fleet.png", 1280, 900)
            query = urllib.parse.urlencode({"search": search, "range": "15m"})
            picture(f"{site}/layernas-search.html?{query}", "console-search.png", 1280, 900)
        elif kind == "tutorial":
            (url,) = arguments
            picture(url, "tutorial-report.png", 1280, 860)
        else:
            (url,) = arguments
            picture(url, "report.png", 1280, 860)
            picture(url, "report-dark.png", 1280, 860, dark=True)
            picture(url, "report-narrow.png", 390, 844)
            page.size(1280, 860)
            page.open(url)
            page.wait_for(DRAWN)
            page.value("document.getElementById('progress').scrollIntoView()")
            page.screenshot(os.path.join(folder, "report-charts.png"), whole=False)


if __name__ == "__main__":
    main()
