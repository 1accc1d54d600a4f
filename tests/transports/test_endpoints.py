"""`serve` and `connect`: two transports, one room; names, tokens, TLS, addresses, and what fails."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect as anybodys_connect
from websockets.exceptions import InvalidStatus

import netlab
from netlab.chat import messages as m
from netlab.chat.client_events import Disconnected
from netlab.chat.limits import ChatLimits
from netlab.errors import ConnectionEnded, DeadlineExpired, MessageTooBig, Refused
from netlab.packets.limits import MAX_MESSAGE
from netlab.packets.packet import Packet, PacketType, decode, encode
from netlab.transports import GUARANTEES, BadUrl, CannotListen, HubShell, client_tls, server_tls
from netlab.transports.url import parse_host_port, parse_url
from netlab.units import MS

from .arena import live, person, raw, server

every = pytest.mark.parametrize("scheme", ["tcp", "udp", "rudp", "ws", "sio"])


def free_port(kind: socket.SocketKind) -> int:
    """A port where nobody listens: one that was just given back."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


KIND = dict.fromkeys(("tcp", "ws", "sio"), socket.SOCK_STREAM)
KIND |= dict.fromkeys(("udp", "rudp"), socket.SOCK_DGRAM)


# One room


@live()
async def test_people_on_tcp_and_udp_meet_in_one_room() -> None:
    async with server() as at, person(at.tcp, "ann", "tea") as ann, person(at.udp, "bob", "tea") as bob:
        assert (ann.chat.reliable, bob.chat.reliable) == (True, False)
        outcome = await ann.chat.emit("say", "from tcp", to="tea")
        assert (outcome.status, outcome.rooms) == ("ok", {"tea": 3})
        assert (await bob.chat.emit("say", "from udp", to="tea")).status == "ok"
        assert await ann.hears(2) == await bob.hears(2) == ["from tcp", "from udp"]
        rows = await bob.chat.who("tea")
        assert [(row["name"], row["here"]) for row in rows] == [("ann", True), ("bob", True)]
        assert await ann.chat.list_rooms() == [{"room": "tea", "members": 2}]


@every
@live()
async def test_a_private_message_presence_and_leave(scheme: str) -> None:
    async with server() as at, person(at.url(scheme), "ann", "tea") as ann:
        async with person(at.url(scheme), "bob", "tea") as bob, person(at.url(scheme), "cat", "tea") as cat:
            sid = await ann.chat.find("bob")
            assert sid == bob.chat.sid
            await ann.chat.emit("say", "psst", to=sid)
            await ann.chat.emit("say", "all", to="tea", skip_self=True)
            assert await bob.hears(2) == ["psst", "all"]
            assert await cat.hears(1) == ["all"]
            await cat.chat.leave("tea")
            assert cat.chat.rooms == []
            with pytest.raises(Refused, match="not_in_room"):
                await cat.chat.who("tea")
        await ann.until(lambda: sum(isinstance(event, m.Left) for event in ann.events) == 2)
        left = {(event.name, event.reason) for event in ann.events if isinstance(event, m.Left)}
        assert left == {("cat", "left"), ("bob", "quit")}
        assert ann.texts == []


@every
@live()
async def test_a_question_is_answered_by_handlers(scheme: str) -> None:
    async with server() as at:
        url = at.url(scheme)
        async with person(url, "ann", "tea") as ann, person(url, "bob", "tea") as bob, person(url, "cat", "tea") as cat:

            @bob.chat.on("add")
            async def add(a: int, b: int, message: m.Message) -> int:
                assert message.name == "ann"
                return a + b

            @cat.chat.on("add")
            def many(*numbers: int) -> list[Any]:
                return ["sum", sum(numbers)]

            answers = await ann.chat.call("add", 2, 3, to="tea")
            assert answers == {bob.chat.sid: [5], cat.chat.sid: ["sum", 5]}

            @bob.chat.on("one")
            def one(_: str) -> str:
                return "1"

            @cat.chat.on("one")
            def none() -> str:
                return "not asked with an argument"

            assert await ann.chat.call("one", "x", to="tea", timeout=200 * MS) == {bob.chat.sid: ["1"]}
            assert cat.chat.counters["bad_arguments"] == 1


@every
@live()
async def test_a_question_that_nobody_answers(scheme: str) -> None:
    async with server() as at, person(at.url(scheme), "ann", "tea") as ann, person(at.url(scheme), "bob", "tea"):
        with pytest.raises(DeadlineExpired, match=r"no answer within 0\.1 s"):
            await ann.chat.call("nobody handles this", to="tea", timeout=100 * MS)
        with pytest.raises(Refused, match="not_in_room"):
            await ann.chat.call("x", to="pub")


@live()
async def test_stats_are_told_to_who_only_looks_and_count_every_transport() -> None:
    async with server() as at, person(at.udp, "ann", "tea") as ann:
        await ann.chat.emit("say", "x", to="tea")
        async with netlab.connect(at.tcp) as looking:
            stats = await looking.stats()
            with pytest.raises(Refused, match="anonymous"):
                await looking.join("tea")
        assert stats["sessions"] == 1
        assert stats["rooms"] == 1
        assert set(stats["transports"]) == {at.tcp, at.udp, at.rudp, at.ws, at.sio}
        assert stats["transports"][at.udp]["connections"] == 1
        assert stats["transports"][at.udp]["datagrams_in"] >= 4
        assert stats["transports"][at.tcp]["packets_in"] >= 2
        assert stats["hub"]["messages_out"] == 2  # her own join, and what she said


# Names and tokens


@every
@live()
async def test_a_name_that_is_taken(scheme: str) -> None:
    async with server() as at, person(at.tcp, "ann"):
        with pytest.raises(Refused, match="name_taken: ann is taken") as caught:
            async with netlab.connect(at.url(scheme), name="ann"):
                pass
        assert caught.value.code == "name_taken"
        with pytest.raises(Refused, match="bad_name"):
            async with netlab.connect(at.url(scheme), name="two words"):
                pass


@every
@live()
async def test_a_token(scheme: str) -> None:
    async with server(token="0123456789abcdef0123456789abcdef") as at:
        for token in ("", "wrong"):
            with pytest.raises(Refused, match="bad_token"):
                async with netlab.connect(at.url(scheme), name="ann", token=token):
                    pass
        async with person(at.url(scheme), "ann", "tea", token="0123456789abcdef0123456789abcdef") as ann:
            assert (await ann.chat.emit("say", "in", to="tea")).status == "ok"
        assert at.count("bad_token") == 2


# TLS


def certificate(folder: Path, *names: str) -> tuple[str, str]:
    """A self-signed certificate for the names, which is its own authority; its file and its key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "netlab test")])
    alternatives: list[x509.GeneralName] = []
    for text in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(text)))
        except ValueError:
            alternatives.append(x509.DNSName(text))
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "cert.pem", folder / "key.pem"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(certificate_file), str(key_file)


inside_tls = pytest.mark.parametrize("scheme", ["tls", "wss"])


@inside_tls
@live()
async def test_tls_with_a_certificate_that_verifies(tmp_path: Path, scheme: str) -> None:
    cert, key = certificate(tmp_path, "127.0.0.1", "localhost")
    async with netlab.serve(f"{scheme}://127.0.0.1:0", tls=server_tls(cert, key)) as at:
        assert at.url.startswith(f"{scheme}://127.0.0.1:")
        async with (
            person(at.url, "ann", "tea", tls=client_tls(cert)) as ann,
            person(at.url.replace("127.0.0.1", "localhost"), "bob", "tea", tls=client_tls(cert)) as bob,
        ):
            assert (await ann.chat.emit("say", "x" * MAX_MESSAGE, to="tea")).status == "ok"
            assert await bob.hears(1) == ["x" * MAX_MESSAGE]


@inside_tls
@pytest.mark.parametrize(
    ("names", "trusted", "why"),
    [
        (("chat.example",), True, "IP address mismatch"),
        (("127.0.0.1",), False, "self-signed certificate"),
    ],
    ids=["wrong name", "unknown authority"],
)
@live()
async def test_tls_that_does_not_verify_is_refused_in_one_line(
    tmp_path: Path, names: tuple[str, ...], trusted: bool, why: str, scheme: str
) -> None:
    cert, key = certificate(tmp_path, *names)
    async with netlab.serve(f"{scheme}://127.0.0.1:0", tls=server_tls(cert, key)) as at:
        with pytest.raises(ConnectionEnded, match=why) as caught:
            async with netlab.connect(at.url, name="ann", tls=client_tls(cert) if trusted else None):
                pass
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(f"no TLS with {at.url}: ")


def test_tls_is_at_least_1_2(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "localhost")
    assert client_tls().minimum_version == server_tls(cert, key).minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_tls().verify_mode == ssl.CERT_REQUIRED
    assert client_tls().check_hostname


@pytest.mark.parametrize(("scheme", "bare"), [("tls", "tcp"), ("wss", "ws")])
@live()
async def test_plain_tcp_to_a_tls_port_and_back_end_with_an_error(tmp_path: Path, scheme: str, bare: str) -> None:
    cert, key = certificate(tmp_path, "127.0.0.1")
    async with netlab.serve(f"{scheme}://127.0.0.1:0", tls=server_tls(cert, key)) as tls, server() as plain:
        with pytest.raises(ConnectionEnded):
            async with netlab.connect(tls.url.replace(f"{scheme}:", f"{bare}:"), name="ann"):
                pass
        with pytest.raises(ConnectionEnded, match="no TLS with"):
            async with netlab.connect(
                plain.url(bare).replace(f"{bare}:", f"{scheme}:"), name="ann", tls=client_tls(cert)
            ):
                pass


@inside_tls
@live()
async def test_tls_needs_a_certificate(scheme: str) -> None:
    with pytest.raises(CannotListen, match=f"^{scheme}:// needs a certificate"):
        async with netlab.serve(f"{scheme}://127.0.0.1:0"):
            pass


@live()
async def test_anybodys_websocket_inside_tls(tmp_path: Path) -> None:
    """Another implementation's upgrade and closing frames, and origins, are as without TLS."""
    cert, key = certificate(tmp_path, "127.0.0.1")
    async with netlab.serve("wss://127.0.0.1:0", tls=server_tls(cert, key), origins=["https://chat.example"]) as at:
        with pytest.raises(InvalidStatus, match="403"):
            await anybodys_connect(at.url, ssl=client_tls(cert), origin="https://evil.example")  # type: ignore[arg-type]
        async with anybodys_connect(at.url, ssl=client_tls(cert)) as peer:
            await peer.send(encode(Packet(m.encode_json(m.Hello(name="bob")), 1, type=PacketType.HELLO)))
            welcome = m.decode_hub_message(decode(await peer.recv(decode=False)).payload)
            assert isinstance(welcome, m.Welcome)
        assert peer.close_code == 1000


# Addresses


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="no ::1 on this machine")
@every
@live()
async def test_ipv6(scheme: str) -> None:
    async with netlab.serve(f"{scheme}://[::1]:0") as at:
        assert at.url.startswith(f"{scheme}://[::1]:")
        async with person(at.url, "ann", "tea") as ann:
            assert (await ann.chat.emit("say", "six", to="tea")).status == "ok"


@pytest.mark.parametrize("listens", ["127.0.0.1", "::1"])
@every
@live()
async def test_localhost_is_reached_whichever_address_it_means(scheme: str, listens: str) -> None:
    if listens == "::1" and not has_ipv6():
        pytest.skip("no ::1 on this machine")
    infos = await asyncio.get_running_loop().getaddrinfo("localhost", 1, type=KIND[scheme])
    if listens not in {info[4][0] for info in infos}:
        pytest.skip(f"localhost is not {listens} on this machine")
    async with netlab.serve(f"{scheme}://{'[::1]' if ':' in listens else listens}:0") as at:
        port = parse_url(at.url).port
        async with person(f"{scheme}://localhost:{port}", "ann", "tea") as ann:
            assert (await ann.chat.emit("say", "here", to="tea")).status == "ok"


@every
@live()
async def test_where_several_addresses_are_named_each_is_tried(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server is what this stands in for: the first addresses refuse, or can't be reached at all."""
    async with server() as at:
        good = parse_url(at.url(scheme)).port
        dead = free_port(KIND[scheme])
        loop = asyncio.get_running_loop()
        numeric = loop.getaddrinfo

        async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
            if host != "many.example":
                return await numeric(host, port, **options)
            family, kind = socket.AF_INET, KIND[scheme]
            return [
                (family, kind, 0, "", ("255.255.255.255", 9)),  # the kernel refuses at once
                (family, kind, 0, "", ("127.0.0.1", dead)),
                (family, kind, 0, "", ("127.0.0.1", dead)),
                (family, kind, 0, "", ("127.0.0.1", good)),
            ]

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        async with person(f"{scheme}://many.example:9", "ann", "tea") as ann:
            assert (await ann.chat.emit("say", "found", to="tea")).status == "ok"


@every
@live(5)
async def test_nobody_listens(scheme: str) -> None:
    port = free_port(KIND[scheme])
    with pytest.raises(ConnectionEnded, match="nobody listens"):
        async with netlab.connect(f"{scheme}://127.0.0.1:{port}", name="ann"):
            pass


@every
@pytest.mark.parametrize("host", ["a" * 70, "does-not-exist.invalid", "a..b"])
@live(15)
async def test_a_host_that_is_none(scheme: str, host: str) -> None:
    with pytest.raises(ConnectionEnded):
        async with netlab.connect(f"{scheme}://{host}:9", name="ann"):
            pass


@every
@live()
async def test_a_port_that_is_taken(scheme: str) -> None:
    async with server() as at:
        with pytest.raises(CannotListen, match="the port is taken") as caught:
            async with netlab.serve(at.url(scheme)):
                pass
        assert caught.value.taken
        with pytest.raises(CannotListen) as caught:
            async with netlab.serve(f"{scheme}://203.0.113.7:0"):
                pass
        assert not caught.value.taken
        async with person(at.url(scheme), "ann"):
            pass


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("127.0.0.1:9000", "such as tcp://127.0.0.1:9000"),
        ("http://127.0.0.1", "tcp://, tls://, udp://"),
        ("tcp://", "not scheme://host:port"),
        ("tcp://127.0.0.1:99999", "not a URL"),
        ("tcp://127.0.0.1:x", "not a URL"),
        ("tcp://127.0.0.1:9000/room", "not scheme://host:port"),
        ("tcp://[::1", "not a URL"),
        ("", "does not begin with"),
    ],
)
def test_urls_that_are_none(url: str, why: str) -> None:
    with pytest.raises(BadUrl, match=why):
        parse_url(url)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("9000", "tcp://127.0.0.1:9000"),
        (":9000", "tcp://127.0.0.1:9000"),
        ("[::1]:9000", "tcp://[::1]:9000"),
        ("chat.example", "tcp://chat.example:9000"),
        ("chat.example:7", "tcp://chat.example:7"),
        ("0", "tcp://127.0.0.1:0"),
    ],
)
def test_hosts_and_ports(text: str, url: str) -> None:
    assert str(parse_host_port(text, "tcp")) == url
    assert parse_url(url) == parse_host_port(text, "tcp")


# Sizes


SIZES = [0, 1, 1199, 1200, 1201, 65_535, 65_536, 65_537, MAX_MESSAGE - 1, MAX_MESSAGE]


@every
@live()
async def test_texts_of_every_size_arrive_exactly(scheme: str) -> None:
    async with (
        server(ChatLimits(message_rate=0)) as at,
        person(at.url(scheme), "ann", "tea") as ann,
        person(at.url(scheme), "bob", "tea") as bob,
    ):
        texts = [bytes(97 + (i * 7 + size) % 26 for i in range(size)).decode() for size in SIZES]
        for n, text in enumerate(texts):
            assert (await ann.chat.emit("say", text, to="tea")).status == "ok"
            assert (await bob.hears(n + 1))[n] == text
        with pytest.raises(MessageTooBig) as caught:
            await ann.chat.emit("say", "x" * (MAX_MESSAGE + 1), to="tea")
        assert caught.value.code == "too_big"
        assert (await ann.chat.emit("say", "lives", to="tea")).status == "ok"


@every
@live()
async def test_256_kib_both_ways_ten_times_of_ten(scheme: str) -> None:
    async with (
        server(ChatLimits(message_rate=0)) as at,
        person(at.url(scheme), "ann", "tea") as ann,
        person(at.url(scheme), "bob", "tea") as bob,
    ):
        for n in range(10):
            text = f"{n}" + "\u2603" * ((MAX_MESSAGE - 1) // 3)
            speaker, listener = (ann, bob) if n % 2 else (bob, ann)
            assert (await speaker.chat.emit("say", text, to="tea")).status == "ok"
            assert (await listener.hears(n + 1))[n] == text
        assert ann.chat.missing == bob.chat.missing == 0


@every
@live()
async def test_max_message_is_the_hubs(scheme: str) -> None:
    async with server(ChatLimits(message=100)) as at, person(at.url(scheme), "ann", "tea") as ann:
        assert ann.chat.max_message == 100
        assert (await ann.chat.emit("say", "x" * 100, to="tea")).status == "ok"
        with pytest.raises(MessageTooBig):
            await ann.chat.emit("say", "x" * 101, to="tea")
        with pytest.raises(MessageTooBig):
            await ann.chat.join("x" * 10_000)
        with pytest.raises(UnicodeEncodeError):
            await ann.chat.join("\ud800")
        with pytest.raises(TypeError):
            await ann.chat.emit("say", object(), to="tea")
        assert (await ann.chat.emit("say", "lives", to="tea")).status == "ok"


def test_what_the_transports_promise() -> None:
    tcp, udp = GUARANTEES["tcp"], GUARANTEES["udp"]
    assert (tcp.reliable, tcp.ordered, tcp.boundaries, tcp.duplicates) == (True, True, True, False)
    assert (udp.reliable, udp.ordered, udp.boundaries, udp.duplicates) == (False, False, True, True)
    assert tcp.max_message == udp.max_message == MAX_MESSAGE


# Several servers


@every
@live()
async def test_after_a_cut_the_next_server_is_tried(scheme: str) -> None:
    async with (
        server() as second,
        server() as first,
        person(first.url(scheme), "ann", "tea", elsewhere=[second.url(scheme)]) as ann,
    ):
        for port in list(first.shell._ports.values()):
            port.close(m.Goodbye("slow_consumer", "as one that may come back"))
        await ann.becomes("restarted")
        assert (await ann.chat.emit("say", "there", to="tea")).status == "ok"
        assert await ann.hears(1) == ["there"]
        async with person(second.tcp, "bob", "tea") as bob:
            assert [row["name"] for row in await bob.chat.who("tea")] == ["ann", "bob"]


@live()
async def test_all_servers_are_of_one_transport() -> None:
    with pytest.raises(BadUrl, match="one transport"):
        async with netlab.connect("tcp://127.0.0.1:1", name="ann", elsewhere=["udp://127.0.0.1:2"]):
            pass


# Ends


@every
@live()
async def test_a_server_that_closes_says_so(scheme: str) -> None:
    async with server() as at, person(at.url(scheme), "ann", "tea") as ann:
        await ann.chat.emit("say", "x", to="tea")
        await at.shell.close()
        await ann.becomes("ended")
        assert ann.events[-1].code == "server_closed"
        assert ann.chat.status == "ended"
        assert (await ann.chat.emit("say", "y", to="tea")).status == "failed"
        with pytest.raises(ConnectionEnded):
            await ann.chat.join("pub")


@every
@live()
async def test_a_transport_that_closes_alone_tells_its_own_clients(scheme: str) -> None:
    """The hub lives on, with the people of the other transport."""
    shell = HubShell()
    other = {"tcp": "udp", "udp": "rudp", "rudp": "ws", "ws": "sio", "sio": "tcp"}[scheme]
    async with netlab.serve(f"{other}://127.0.0.1:0", hub=shell) as stays:
        async with netlab.serve(f"{scheme}://127.0.0.1:0", hub=shell) as goes:
            ann = await netlab.connect(goes.url, name="ann").__aenter__()
        async with person(stays.url, "bob", "tea") as bob:
            async for event in ann.events():
                if getattr(event, "status", "") == "ended":
                    assert event.code == "server_closed"
            assert (await bob.chat.emit("say", "on", to="tea")).status == "ok"
        await ann.close()
        await shell.close()


@every
@live()
async def test_a_server_with_its_own_hub_tells_its_clients(scheme: str) -> None:
    async with netlab.serve(f"{scheme}://127.0.0.1:0") as at:
        ann = await netlab.connect(at.url, name="ann").__aenter__()
    events = [event async for event in ann.events()]
    assert events[-1].code == "server_closed"
    await ann.close()


@every
@live()
async def test_leaving_is_in_order_what_was_said_is_sent_first(scheme: str) -> None:
    async with server() as at, person(at.tcp, "ann", "tea") as ann:
        async with netlab.connect(at.url(scheme), name="bob") as bob:
            await bob.join("tea")
            asyncio.get_running_loop()
            last = asyncio.create_task(bob.emit("say", "last words", to="tea"))
            await asyncio.wait([last], timeout=0)
        assert await ann.hears(1) == ["last words"]
        await ann.until(lambda: any(isinstance(event, m.Left) for event in ann.events))
        await last


@every
@live()
async def test_connecting_can_be_given_up(scheme: str) -> None:
    """A server that never answers: the caller's own timeout ends it, and nothing is left behind."""
    with socket.socket(socket.AF_INET, KIND[scheme]) as silent:
        silent.bind(("127.0.0.1", 0))
        if KIND[scheme] is socket.SOCK_STREAM:
            silent.listen()
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        for wait in (0, 0.001, 0.05):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(wait), netlab.connect(url, name="ann"):
                    pass


@every
@live()
async def test_closing_while_it_dials_again(scheme: str) -> None:
    async with server() as at:
        connection = netlab.connect(at.url(scheme), name="ann")
        ann = await connection.__aenter__()
        ann._hang_up(said=False)
        ann.step(Disconnected("cut, for the test"))
        assert ann.status == "reconnecting"
        ann._dialling = asyncio.create_task(ann._dial())
        await asyncio.wait([ann._dialling], timeout=0)
        await connection.__aexit__(None, None, None)
        assert ann.status == "ended"


@live()
async def test_a_handler_that_fails_is_reported_and_the_chat_goes_on() -> None:
    loop = asyncio.get_running_loop()
    faults: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    async with server() as at, person(at.tcp, "ann", "tea") as ann, person(at.tcp, "bob", "tea") as bob:

        @bob.chat.on("say")
        def broken(text: str) -> None:
            raise ZeroDivisionError("a mistake of the user's")

        with pytest.raises(DeadlineExpired):
            await ann.chat.call("say", "x", to="tea", timeout=50 * MS)
        assert (await bob.chat.emit("lives", to="tea")).status == "ok"
    assert bob.chat.counters["handler_errors"] == 1
    assert [type(context["exception"]) for context in faults] == [ZeroDivisionError]


@every
@live()
async def test_a_full_server(scheme: str) -> None:
    async with server(ChatLimits(connections=1)) as at, person(at.url(scheme), "ann"):
        with pytest.raises(Refused, match="server_full"):
            async with netlab.connect(at.url(scheme), name="bob"):
                pass


@every
@live()
async def test_garbage_at_the_port_then_a_working_chat(scheme: str) -> None:
    async with server() as at:
        for garbage in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01" + bytes(200),
            b"N",
            b"NL",
            bytes(60_000),
            b"\xff" * 20,
        ):
            async with raw(scheme, at) as peer:
                peer.send(garbage)
                if scheme == "tcp" and len(garbage) >= 20:
                    [told] = await peer.hear_all()
                    assert told.code == "malformed"
        async with person(at.url(scheme), "ann", "tea") as ann, person(at.url(scheme), "bob", "tea") as bob:
            assert (await ann.chat.emit("say", "fine", to="tea")).status == "ok"
            assert await bob.hears(1) == ["fine"]
