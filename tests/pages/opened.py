"""A page that is open in a browser."""

PHONE, WIDE = (390, 844), (1400, 900)  # pixels


class Page:
    """The page as a reader sees and uses it."""

    def __init__(self, browser, file):
        self.browser, self.file = browser, file

    def open(self, size=WIDE, address="", dark=False):
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.browser.get("about:blank")
        self.browser.get(self.file.as_uri() + address)
        return self

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        return self.browser.find_element("css selector", selector)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def press(self, element):
        """Click where a reader would, after scrolling there."""
        self.run("arguments[0].scrollIntoView({ block: 'center' })", element)
        element.click()

    def width(self):
        return self.run("return document.documentElement.scrollWidth")

    def errors(self):
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
