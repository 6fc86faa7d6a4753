"""Eight processes contend for one object, before a service that loses and refuses requests."""

from __future__ import annotations

import json
import multiprocessing
import random
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from drivers import contest
from drivers.atomic_drivers import serving
from drivers.contest import BODY, FAILED, LOST, MANY, UNKNOWN, WON
from drivers.faulty_proxy import (
    DROPPED,
    Fault,
    FaultyRelay,
    Judge,
    Sent,
    is_conditional_write,
    status,
)
from drivers.faulty_proxy import LOST as LOST_RESPONSE
from drivers.gcs.support import TOKEN

from libstore import Container, get_driver
from servers.gcs_model import KEY, SECRET

_ROUNDS = 8


@dataclass
class Arena:
    """
    A container that all of them can reach.

    Attributes:
        line: What a process makes its driver of.
        box: The container, past all faults.
    """

    line: str
    box: Container
    executor: Executor

    def run(self, act: Callable[..., list[str]], rounds: int, *more: str) -> list[list[str]]:
        """Return the outcome for each of them."""
        with tempfile.TemporaryDirectory() as folder:
            running = [
                self.executor.submit(act, self.line, self.box.name, folder, rounds, *more)
                for _ in range(MANY)
            ]
            return [future.result(timeout=120) for future in running]


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    # A process that is forked would have the threads of the servers in a state of its own.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(MANY, mp_context=context) as executor:
        yield executor


def faults(seed: int, *refusals: Fault) -> Judge:
    """Return what disturbs a third of the conditional requests, each in one of many ways."""
    chance = random.Random(seed)
    ways = (
        LOST_RESPONSE, LOST_RESPONSE, DROPPED, DROPPED, status(500), status(500, passed=True),
        status(502, passed=True), status(503, passed=True), status(504), status(429), *refusals,
    )  # fmt: skip

    def judge(sent: Sent) -> Fault | None:
        if not is_conditional_write(sent) or chance.random() > 0.35:
            return None
        return chance.choice(ways)

    return judge


def _refusal(code: int, name: str) -> Fault:
    body = f"<Error><Code>{name}</Code><Message>No.</Message></Error>"
    return status(code, body=body, x_ms_error_code=name, x_amz_request_id="R1")


_GCS = {"endpoint": "", "project": "p"}
#: How drivers are made, with the address in the place of the empty text.
_WAYS: dict[str, tuple[str, list[str], dict[str, str]]] = {
    "s3": ("plain-s3", ["KEY", "SECRET"], {"endpoint": ""}),
    "azure": ("azure", ["account", "a2V5"], {"endpoint": ""}),
    "gcs": ("gcs", [], {**_GCS, "token": TOKEN}),
    "gcs-hmac": ("gcs", [], {**_GCS, "key": KEY, "secret": SECRET}),
    "swift": ("swift", [], {"token": "a-token", "storage_url": ""}),
}
_REFUSALS = {
    "s3": (_refusal(409, "ConditionalRequestConflict"), _refusal(503, "SlowDown")),
    "azure": (_refusal(503, "ServerBusy"),),
    "gcs": (status(409),),
}


def _line(name: str, url: str) -> str:
    kind, arguments, options = _WAYS[name]
    path = "/v1/AUTH_t" if name == "swift" else ""
    given = {label: value or url + path for label, value in options.items()}
    return json.dumps([kind, arguments, given])


@pytest.fixture(params=[*_WAYS, "local", "memory"])
def arena(request: pytest.FixtureRequest, tmp_path: Path, processes: Executor) -> Iterator[Arena]:
    name = request.param
    with ExitStack() as stack:
        if name == "local":
            line = json.dumps(["local", [str(tmp_path)], {"fsync": False}])
            box = get_driver("local")(tmp_path, fsync=False).create_container("box")
            yield Arena(line, box, processes)
        elif name == "memory":
            line = json.dumps(["memory", [], {"cdn": f"https://{uuid.uuid4()}.example"}])
            threads = stack.enter_context(ThreadPoolExecutor(MANY))
            yield Arena(line, contest.connect(line).create_container("box"), threads)
        else:
            service = stack.enter_context(serving(name))
            service.relay.judge = faults(1, *_REFUSALS.get(name, ()))
            yield Arena(_line(name, service.relay.url), service.box(direct=True), processes)


def _marked(name: str) -> Any:
    """Return the name of a server, marked as one that a test needs."""
    return pytest.param(name, marks=[pytest.mark.server, pytest.mark.xdist_group(name)])


@pytest.fixture(params=[_marked("seaweedfs"), _marked("azurite")])
def server_arena(request: pytest.FixtureRequest, processes: Executor) -> Iterator[Arena]:
    """Yield a container of a server that was written by others, behind the same faults."""
    server: Any = request.getfixturevalue(f"{request.param}_server")
    azure = request.param == "azurite"
    kind = "azure" if azure else "seaweedfs"
    key = [server.account, server.key] if azure else [server.key, server.secret]
    refusals = _REFUSALS["azure" if azure else "s3"]
    with FaultyRelay(server.endpoint) as relay:
        relay.judge = faults(2, *refusals)
        driver = get_driver(kind)(*key, endpoint=server.endpoint)
        box = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        yield Arena(json.dumps([kind, key, {"endpoint": relay.url}]), box, processes)
        box.delete()
        driver.close()


# ---------------------------------------------------------------------- what holds


def check_lock(arena: Arena, rounds: int) -> None:
    for number, ends in enumerate(zip(*arena.run(contest.lock, rounds), strict=True)):
        assert 1 == ends.count(WON), ends
        assert UNKNOWN not in ends
        assert BODY == arena.box.read_object(f"lock{number}")


def check_change(arena: Arena, rounds: int) -> None:
    for number in range(rounds):
        arena.box.upload_object(b"before", f"change{number}", if_absent=True)
    for ends in zip(*arena.run(contest.change, rounds), strict=True):
        assert 1 == ends.count(WON), ends
        assert UNKNOWN not in ends


def check_lease(arena: Arena, rounds: int) -> None:
    for number in range(rounds):
        arena.box.upload_object(BODY, f"lease{number}", if_absent=True)
    for number, ends in enumerate(zip(*arena.run(contest.lease, rounds), strict=True)):
        assert ends.count(WON) <= 1, ends
        # Whose response was lost cannot know that it won, and neither does it say so.
        assert WON in ends or UNKNOWN in ends
        assert not arena.box.driver.object_exists(arena.box.name, f"lease{number}")


def check_counter(arena: Arena, rounds: int) -> None:
    arena.box.upload_object(b"", "counter")
    rows = [line.split() for lines in arena.run(contest.count, rounds) for line in lines]
    counted = Counter(arena.box.read_object("counter").decode().split())
    for end, mark in rows:
        assert counted[mark] in {WON: {1}, LOST: {0}, FAILED: {0}, UNKNOWN: {0, 1}}[end], end
    assert any(end == WON for end, _ in rows)


def check_cycle(arena: Arena, rounds: int, inside: Path) -> None:
    for ends in arena.run(contest.cycle, rounds, str(inside)):
        assert {WON, LOST} >= set(ends)
        assert rounds == ends.count(WON)


def test_one_of_eight_wins_a_lock(arena: Arena) -> None:
    check_lock(arena, _ROUNDS)


def test_one_of_eight_replaces_an_object(arena: Arena) -> None:
    if not arena.box.driver.supports("if_match"):
        pytest.skip("the service does not honour if_match")
    check_change(arena, _ROUNDS)


def test_no_two_of_eight_delete_an_object(arena: Arena) -> None:
    if not arena.box.driver.supports("delete_if_match"):
        pytest.skip("the service does not honour if_match when it deletes")
    check_lease(arena, _ROUNDS)


def test_concurrent_appends_match_their_reported_outcomes(arena: Arena) -> None:
    if not arena.box.driver.supports("if_match"):
        pytest.skip("the service does not honour if_match")
    check_counter(arena, _ROUNDS)


def test_lock_has_one_owner_at_a_time(arena: Arena, tmp_path: Path) -> None:
    if not arena.box.driver.supports("delete_if_match"):
        pytest.skip("the service does not honour if_match when it deletes")
    check_cycle(arena, 3, tmp_path / "inside")


def test_eight_contend_on_a_server(server_arena: Arena, tmp_path: Path) -> None:
    check_lock(server_arena, 6)
    check_change(server_arena, 6)
    check_lease(server_arena, 6)
    check_counter(server_arena, 4)
    check_cycle(server_arena, 2, tmp_path / "inside")
