"""A plugin that keeps embrec's tables out of the migrations that Alembic writes for a host application.

Alembic 1.18 or newer loads it by the entry point ``alembic.plugins`` where embrec is installed. Without it a host whose
env.py has ``include_schemas=True`` is offered a migration that drops every table of embrec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.util import DispatchPriority, PriorityDispatchResult

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps
    from alembic.runtime.plugins import Plugin

SCHEMA = "embrec"


def setup(plugin: Plugin) -> None:
    """Register the comparison, as the last."""
    plugin.add_autogenerate_comparator(leave_out, "schema", SCHEMA, priority=DispatchPriority.LAST)


def leave_out(context: AutogenContext, upgrade_ops: UpgradeOps, schemas: set[str | None]) -> PriorityDispatchResult:
    """Remove the changes to tables of embrec, unless the models have the whole schema, as embrec's own have."""
    models = context.sorted_tables
    if not any(table.schema == SCHEMA and table.name == "model_runs" for table in models):
        upgrade_ops.ops[:] = [each for each in upgrade_ops.ops if getattr(each, "schema", None) != SCHEMA]
    return PriorityDispatchResult.CONTINUE
