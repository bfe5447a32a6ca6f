"""Scrapy, one process a session: its reactor starts once."""

import json
import logging
import sys
import time
from typing import Any, ClassVar

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.utils.log import configure_logging


class Spider(scrapy.Spider):
    """Asks for the steps in their order; failures count as answers."""

    name = "zoo"
    job: ClassVar[dict[str, Any]] = {}
    done = 0

    async def start(self) -> Any:
        """All requests at once; the downloader's delay and concurrency pace them."""
        for step in self.job["steps"]:
            yield scrapy.Request(
                self.job["base"] + step["path"],
                method=step["method"],
                headers=dict(step["headers"]),
                body=step["body"],
                dont_filter=True,
                callback=self.parse,
                errback=self.parse,
            )

    def parse(self, _answer: Any, **_kwargs: Any) -> None:
        """Count."""
        type(self).done += 1


def main() -> None:
    """Perform the first job of standard input."""
    told = json.load(sys.stdin)
    Spider.job = told["jobs"][0]
    configure_logging(install_root_handler=False)
    logging.disable(logging.CRITICAL)
    started_s = time.time()
    pauses = [step["pause_s"] for step in Spider.job["steps"]]
    settings = {
        "LOG_ENABLED": False,
        "DOWNLOAD_DELAY": sum(pauses) / max(1, len(pauses)),
        "COOKIES_ENABLED": Spider.job["cookies"],
        "ROBOTSTXT_OBEY": Spider.job["seed"] % 2 == 0,
        "RETRY_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "DOWNLOAD_TIMEOUT": 20,
    }
    process = CrawlerProcess(settings)
    process.crawl(Spider)
    process.start()
    line = {
        "session": Spider.job["session"],
        "requests": Spider.done,
        "start_s": started_s,
        "problem": "",
    }
    sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
