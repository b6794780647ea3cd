"""Feeds of new releases and projects (RSS 2.0).

Absolute addresses hold `addresses.HERE` in place of this server's own; `addresses.fill_in` makes what is sent.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import format_datetime
from typing import Final
from xml.sax.saxutils import escape

from keyhouse.index.addresses import HERE, without_mark
from keyhouse.index.model import Feed, FeedItem

# what XML 1.0 (section 2.2) has no way to write
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_rss(feed: Feed) -> bytes:
    """Render a feed in the order given; the dates are those of the items, so that the same items give the same bytes."""
    items = "".join(_item(item) for item in feed.items)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0">\n<channel>\n'
        f"<title>{_text(feed.title)}</title>\n<link>{HERE}{_text(feed.path)}</link>\n"
        f"<description>{_text(feed.description)}</description>\n<language>en</language>\n"
        f"{items}</channel>\n</rss>\n"
    )
    return text.encode("utf-8", "replace")


def _item(item: FeedItem) -> str:
    address = HERE + _text(item.path)
    date = format_datetime(item.published_at.astimezone(UTC), usegmt=True)
    return (
        f"<item>\n<title>{_text(item.title)}</title>\n<link>{address}</link>\n<guid>{address}</guid>\n"
        f"<description>{_text(item.description)}</description>\n<pubDate>{date}</pubDate>\n</item>\n"
    )


def _text(text: str) -> str:
    cleaned: str = without_mark(_UNWRITABLE.sub("", text))
    return escape(cleaned)
