"""The faulty CA itself: TLS on the loopback address, in a thread of the test's own process."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import ssl
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.parts.faulty_ca import delivering
from tests.parts.faulty_ca.endpoints import CA, PROXY, Endpoint, Log, Seen
from tests.parts.faulty_ca.faults import Delivery, Exchange, Fault
from tests.parts.faulty_ca.memory import Issued, Memory
from tests.parts.faulty_ca.offers import RENEWAL_INFO_PATH, Offers
from tests.parts.faulty_ca.rules import Rules
from tests.parts.faulty_ca.upstream import HOST, Upstream
from tests.parts.faulty_ca.wire import Answer, Request, read_request
from tests.parts.pebble import Pebble
from tests.parts.pki import HttpsAuthority
from tests.parts.processes import free_port

PATIENCE = 20.0  # seconds that anything done to the proxy itself may take

_Result = TypeVar("_Result")


class FaultyCa:
    """A Pebble behind ``rules`` and with ``offers``. Without any it only passes on and counts.

    ``log`` has every request. Everything public may be called from any thread.
    """

    def __init__(self, pebble: Pebble, https: HttpsAuthority, *, seed: int = 0) -> None:
        self.pebble = pebble
        self.port = free_port()
        self.rules = Rules(seed)
        self.offers = Offers()
        self.log = Log()
        self.errors: list[Exception] = []
        self._directory_path = urlsplit(pebble.directory_url).path
        self._memory = Memory(self._directory_path)
        self._upstream = Upstream(pebble.port, https.bundle)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(https.files.certificate, https.files.key)
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty CA")
        self._thread.daemon = True
        self._thread.start()
        self.come_back()

    @property
    def directory_url(self) -> str:
        """Where its ACME directory is."""
        return f"https://{HOST}:{self.port}{self._directory_path}"

    @property
    def counts(self) -> collections.Counter[Endpoint]:
        """How many requests of each kind came."""
        return self.log.counts

    @property
    def seen(self) -> tuple[Seen, ...]:
        """Every request that came."""
        return self.log.seen

    @property
    def issued(self) -> dict[str, Issued]:
        """The certificates that were downloaded, by their RFC 9773 identifier."""
        return dict(self._memory.issued)

    def requests(self, endpoint: Endpoint) -> list[Seen]:
        """The requests of that kind."""
        return [seen for seen in self.seen if seen.endpoint is endpoint]

    def go_away(self) -> None:
        """Refuse connections from now on, and cut those that there are."""
        self._run(self._stop())

    def come_back(self) -> None:
        """Serve again, on the same port."""
        self._run(self._start())

    def restart(self) -> None:
        """The CA is rebuilt: no account, order or root of before is known to it any more."""
        self.pebble.stop()
        self.pebble.start()
        self._run(self._forget())

    def close(self) -> None:
        """End it. Raises what went wrong in the proxy itself."""
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        if self.errors:
            raise ExceptionGroup("The faulty CA has faults of its own.", self.errors)

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _start(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._client, HOST, self.port, ssl=self._context
            )

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task, writer in self._clients.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        self._upstream.drop()
        # One turn of the loop for the aborted transports to close their sockets.
        await asyncio.sleep(0)

    async def _forget(self) -> None:
        self._upstream.drop()
        self._memory = Memory(self._directory_path)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        try:
            # One whose handshake was under way when this CA went away comes here afterwards.
            while self._server and (request := await read_request(reader)):
                if not await self._serve(request, reader, writer):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The client has gone, or the CA, or this proxy: as if nobody were here.
            writer.transport.abort()
        except Exception as error:
            self.errors.append(error)
            writer.transport.abort()
        finally:
            with contextlib.suppress(OSError):
                writer.close()
            del self._clients[task]

    async def _serve(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        endpoint = await self._endpoint(request)
        fault = self.rules.pick(endpoint, request)
        own = self.offers.answer(endpoint, request, self._memory)
        self._note(endpoint, request, fault, own)
        if fault is not None:
            await asyncio.sleep(fault.wait)
        answer = await self._answer(endpoint, request, fault, own)
        if answer.fresh_nonce:
            answer = answer.having("Replay-Nonce", await self._fresh_nonce(request))
        return await delivering.deliver(
            answer,
            fault.delivery if fault else Delivery.WHOLE,
            reader,
            writer,
            has_body=request.method != "HEAD",
            pause=fault.pause if fault else 0.0,
        )

    async def _answer(
        self, endpoint: Endpoint, request: Request, fault: Fault | None, own: Answer | None
    ) -> Answer:
        answer = Answer()
        if fault is None or fault.asks_ca:
            answer = own or await self._ask(endpoint, request)
        if fault is None:
            return answer
        return fault.make(Exchange(request, endpoint, answer, self._memory.order(request.path)))

    async def _ask(self, endpoint: Endpoint, request: Request) -> Answer:
        answer = await self._upstream.ask(request)
        self._memory.learn(endpoint, request, answer)
        if answer.is_success:
            self.log.carried_out(endpoint)
        path = urlsplit(answer.header("Location")).path or request.path
        return self.offers.complete(endpoint, request, answer, self._memory.order(path))

    async def _endpoint(self, request: Request) -> Endpoint:
        if request.path.startswith(f"{RENEWAL_INFO_PATH}/"):
            return Endpoint.RENEWAL_INFO
        if not self._memory.knows_directory:
            # A client may remember the directory from before this proxy forgot it.
            directory = Request("GET", self._directory_path, request.headers)
            answer = await self._upstream.ask(directory)
            self._memory.learn(Endpoint.DIRECTORY, directory, answer)
        return self._memory.endpoint(request.path)

    async def _fresh_nonce(self, request: Request) -> str:
        path = self._memory.path_of(Endpoint.NEW_NONCE)
        asked = Request("HEAD", path, (("Host", request.origin.removeprefix("https://")),))
        return (await self._upstream.ask(asked)).header("Replay-Nonce")

    def _note(
        self, endpoint: Endpoint, request: Request, fault: Fault | None, own: Answer | None
    ) -> None:
        self.log.add(
            Seen(
                endpoint,
                request.method,
                request.path,
                request.payload,
                account=str(request.protected.get("kid", "")),
                answered_by=fault.name if fault else PROXY if own else CA,
                at=time.monotonic(),
            )
        )
