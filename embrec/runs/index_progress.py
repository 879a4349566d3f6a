"""The progress of an index that the server builds."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import sqlalchemy as sa

_EVERY_SECONDS = 1.0


@contextlib.contextmanager
def followed(engine: sa.Engine, table: str, progress: Callable[[int, int], None]) -> Iterator[None]:
    """Report the progress of an index that is built within the context.

    Args:
        engine: The database.
        table: The table, with its schema.
        progress: Called every second from another thread, with the blocks done and of all.
    """
    ended = threading.Event()
    query = sa.text(
        "SELECT blocks_done, blocks_total FROM pg_stat_progress_create_index"
        # PostgreSQL counts all blocks as done while it reads the first one.
        " WHERE relid = to_regclass(:table) AND blocks_done < blocks_total"
    )

    def follow() -> None:
        while not ended.wait(_EVERY_SECONDS):
            with contextlib.suppress(sa.exc.SQLAlchemyError), engine.connect() as connection:
                for done, of in connection.execute(query, {"table": table}):
                    progress(done, of)

    thread = threading.Thread(target=follow, name=f"progress of the index on {table}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=5.0)  # a server that does not answer must not hold up the end
