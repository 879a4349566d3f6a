"""The web server: the explore page, and JSON endpoints on the SQL functions; both only read."""

from embrec.web.app import create_app

__all__ = ["create_app"]
