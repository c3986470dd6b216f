"""The pages: one file each, with a function `page` and a template of the same name."""

from __future__ import annotations

# Path → module of this package. A path that ends in `/` has something behind it: an id, which the page reads.
PAGES = {
    "/": "overview",
    "/failures": "failures",
    "/performance": "performance",
    "/search": "search",
    "/item/": "item",
    "/transaction/": "transaction",
    "/map": "map",
    "/logs": "logs",
}
