"""The Celery object and its settings. Nothing heavy is imported here: commands that only send messages use it too.

The broker is a hint and the database the truth, so no result is stored and a lost message costs only time.
"""

from __future__ import annotations

from typing import Final

from celery import Celery

from auditor.settings import read_settings
from workers.options import SOFT_LIMIT_SECONDS

QUEUE: Final = "dyck-audit"
RUN_CELL: Final = "dyck_audit.run_cell"

KEY_PREFIX: Final = f"{QUEUE}:"
"""How the names of all that is ours on the broker begin."""

HARD_EXTRA_SECONDS: Final = 300
"""How long a cell has to end after its soft limit, before its process is killed."""

HARD_LIMIT_SECONDS: Final = SOFT_LIMIT_SECONDS + HARD_EXTRA_SECONDS

VISIBILITY_EXTRA_SECONDS: Final = 900

VISIBILITY_SECONDS: Final = HARD_LIMIT_SECONDS + VISIBILITY_EXTRA_SECONDS
"""Redis hands a message to a second worker after this long: never while the first may still be computing."""

LOST_WORKER_RETRIES: Final = 2
"""Without a bound, a cell that kills its process would be delivered again without end."""


def create_app(broker_url: str | None) -> Celery:
    """A Celery object that sends to and reads from this broker."""
    app = Celery("dyck-audit", broker=broker_url, include=["workers.tasks"], set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,  # False requeues a timed-out task without end
        task_reject_on_worker_lost=True,
        task_retry_on_worker_lost=True,
        task_soft_time_limit=SOFT_LIMIT_SECONDS,
        task_time_limit=HARD_LIMIT_SECONDS,
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0.2, "interval_max": 0.2},
        worker_consumer="workers.consumer:PatientConsumer",
        worker_prefetch_multiplier=1,  # what is reserved but not running would be delivered twice
        worker_cancel_long_running_tasks_on_connection_loss=False,  # cancelled tasks are never delivered again
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker outlives any outage
        broker_transport_options={
            "global_keyprefix": KEY_PREFIX,
            "queue_order_strategy": "priority",
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "visibility_timeout": VISIBILITY_SECONDS,
        },
    )
    return app


app = create_app(read_settings().broker_url)
"""What a worker process runs, configured by its environment."""
