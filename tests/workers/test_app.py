"""The settings that decide whether work is lost, done twice or repeated without end."""

from __future__ import annotations

import subprocess
import sys

import pytest
from kombu.utils.imports import symbol_by_name

from workers.app import HARD_LIMIT_SECONDS, QUEUE, SOFT_LIMIT_SECONDS, VISIBILITY_SECONDS, create_app
from workers.consumer import RECONNECT_SECONDS


def test_a_message_is_never_handed_to_a_second_worker_while_the_first_may_still_compute() -> None:
    conf = create_app("redis://nowhere:1/0").conf
    assert conf.task_soft_time_limit == SOFT_LIMIT_SECONDS < conf.task_time_limit == HARD_LIMIT_SECONDS
    assert conf.broker_transport_options["visibility_timeout"] == VISIBILITY_SECONDS > HARD_LIMIT_SECONDS
    assert conf.worker_prefetch_multiplier == 1


def test_a_lost_process_is_noticed_and_a_timed_out_task_is_not_requeued() -> None:
    conf = create_app("redis://nowhere:1/0").conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.task_retry_on_worker_lost
    assert conf.task_acks_on_failure_or_timeout
    assert not conf.worker_cancel_long_running_tasks_on_connection_loss


def test_messages_are_json_and_nothing_comes_back() -> None:
    conf = create_app("redis://nowhere:1/0").conf
    assert conf.accept_content == ["json"]
    assert conf.task_serializer == "json"
    assert conf.task_ignore_result
    assert conf.result_backend is None


def test_two_brokers_in_one_process_do_not_mix() -> None:
    first, second = create_app("redis://one:1/0"), create_app("redis://two:2/0")
    assert "one" in first.connection_for_write().as_uri()
    assert "two" in second.connection_for_write().as_uri()
    assert first.conf.task_default_queue == second.conf.task_default_queue == QUEUE


def test_a_broker_that_is_away_is_tried_every_few_seconds_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery waits longer and longer: after an outage of a minute a worker would stand idle for another quarter."""

    class WaitedError(Exception):
        pass

    app, waits = create_app("redis://127.0.0.1:1/0"), list[float]()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if sum(waits) >= 60:
            raise WaitedError

    monkeypatch.setattr("kombu.utils.functional.sleep", sleep)
    consumer = object.__new__(symbol_by_name(app.conf.worker_consumer))
    consumer.app = app
    with pytest.raises(WaitedError):
        consumer.ensure_connected(app.connection_for_read())
    assert consumer.broker_connection_retry_attempt >= 60 / RECONNECT_SECONDS


def test_what_only_sends_and_waits_imports_no_torch() -> None:
    code = (
        "import sys, workers.app, workers.broker, workers.local, workers.scheduling;"
        "import workers.submission, workers.waiting; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
