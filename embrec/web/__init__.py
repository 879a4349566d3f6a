"""The page and the JSON endpoints over the functions that answer; they only read."""

from embrec.web.app import create_app

__all__ = ["create_app"]
