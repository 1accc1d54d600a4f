"""The chat in pseudo-terminals, as people use it."""

from __future__ import annotations

import io
import re
import signal
import socket

import pexpect
import pytest

pytestmark = pytest.mark.slow


def free_port():
    """A port that nobody listens at just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


def expect(child, text):
    """Wait until the text is shown, whatever colours stand between its words."""
    between = r"(?:\x1b\[[0-9;?]*[a-zA-Z])*"
    child.expect(between.join(re.escape(character) for character in text))


@pytest.fixture
def ann(server, terminal):
    """Ann, in a terminal of her own."""
    child = terminal(*server.reach("tcp"), "--name", "ann")
    expect(child, "lobby>")
    return child


@pytest.fixture
def bob(server, terminal, ann):
    """Bob, who came after Ann."""
    child = terminal(*server.reach("udp"), "--name", "bob")
    expect(child, "in lobby: ann bob")
    expect(child, "lobby>")
    expect(ann, "* bob joined lobby")
    return child


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_host_and_chat_and_quit(terminal, scheme):
    port = free_port()
    host = terminal(f"{scheme}-chat", "--port", port, "--name", "ann")
    expect(host, f"nobody listens at {scheme}://127.0.0.1:{port}: hosting the chat there")
    expect(host, f"you are ann at {scheme}://127.0.0.1:{port}")
    expect(host, "lobby>")
    guest = terminal(f"{scheme}-chat", "--port", port, "--name", "bob")
    expect(guest, "lobby>")
    expect(host, "* bob joined lobby")
    host.sendline("hello bob")
    expect(guest, "lobby #3 ann: hello bob")
    expect(host, "lobby #3 ann: hello bob")
    guest.sendline("hello ann")
    expect(host, "lobby #4 bob: hello ann")
    host.sendline("/quit")
    host.expect(pexpect.EOF)
    host.close()
    assert host.exitstatus == 0
    expect(guest, "! the chat has ended: the server is closing")
    guest.expect(pexpect.EOF)
    guest.close()
    assert guest.exitstatus == 1


def test_an_arriving_message_does_not_tear_the_line(ann, bob):
    ann.send("half a th")
    expect(ann, "half a th")
    bob.sendline("in between")
    expect(ann, "bob: in between")
    expect(ann, "half a th")
    ann.sendline("ought")
    expect(bob, "ann: half a thought")


def test_commands(ann, bob):
    ann.sendline("/who")
    expect(ann, "in lobby: ann bob")
    ann.sendline("/msg bob only you")
    expect(ann, "to bob: only you")
    expect(bob, "ann (to you): only you")
    ann.sendline("/msg nobody hi")
    expect(ann, "no_such_name")
    ann.sendline("/join den")
    expect(ann, "* ann joined den")
    expect(ann, "den>")
    ann.sendline("in the den")
    expect(ann, "den #2 ann: in the den")
    ann.sendline("/rooms")
    expect(ann, "den: 1 in it, you are in it")
    expect(ann, "lobby: 2 in it, you are in it")
    ann.sendline("/leave")
    expect(ann, "you left den: you speak in lobby")
    expect(ann, "lobby>")
    ann.sendline("/leave")
    expect(ann, "you left lobby: you are in no room")
    expect(bob, "* ann left (lobby)")
    ann.sendline("to whom?")
    expect(ann, "/join a room first")
    ann.sendline("/stats")
    expect(ann, "this end")
    ann.sendline("/jion lobby")
    expect(ann, "! there is no command '/jion': did you mean /join?")
    ann.sendline("/join two words")
    expect(ann, "! write it as /join ROOM")
    ann.sendline("/help")
    expect(ann, "/msg NAME TEXT")
    ann.sendline("/join lobby")
    expect(ann, "* ann joined lobby")
    ann.sendline("//join")
    expect(bob, "ann: /join")


def test_tab_completes_and_history_remembers(ann, bob):
    for typed, completed in (("/m\t", "sg"), ("b\t", "ob")):
        ann.send(typed)
        expect(ann, completed)
    ann.send("psst\r")
    expect(bob, "ann (to you): psst")
    ann.send("\x1b[A")  # up
    expect(ann, "/msg bob psst")
    ann.send("!\r")
    expect(bob, "ann (to you): psst!")
    for typed, completed in (("/wh\t", "o"), ("lo\t", "bby")):
        ann.send(typed)
        expect(ann, completed)
    ann.send("\r")
    expect(ann, "in lobby: ann bob")


@pytest.mark.parametrize(("key", "status"), [("\x04", 0), ("\x03", 130)])
def test_keys_that_leave(ann, bob, key, status):
    ann.send("typed and not sent" if status else "")
    ann.send(key)
    ann.expect(pexpect.EOF)
    ann.close()
    assert ann.exitstatus == status
    assert b"Traceback" not in ann.before
    expect(bob, "* ann left the chat (lobby)")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_signals_that_leave(ann, bob, number, status):
    ann.kill(number)
    ann.expect(pexpect.EOF)
    ann.close()
    assert ann.exitstatus == status
    expect(bob, "* ann left the chat (lobby)")


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_closed_window_leaves_nobody_behind(server, terminal, bob, term):
    cyd = terminal(*server.reach("tcp"), "--name", "cyd", term=term)
    expect(cyd, "* cyd joined lobby")
    expect(bob, "* cyd joined lobby")
    cyd.ptyproc.fileobj.close()  # the kernel hangs up: SIGHUP, and nothing can be read or written any more
    expect(bob, "* cyd left the chat (lobby)")
    cyd.wait()
    assert cyd.exitstatus == 129


def test_the_terminal_is_as_before(server, terminal):
    """Echo and line editing come back, also after the chat ended by itself."""
    child = terminal(*server.reach("tcp"))
    expect(child, "lobby>")
    server.process.send_signal(signal.SIGTERM)
    child.expect(pexpect.EOF)
    shown = child.before.decode()
    assert shown.rfind("\x1b[?2004l") > shown.rfind("\x1b[?2004h")  # bracketed paste is off again


def test_reconnecting_is_shown(server, ann):
    server.process.kill()
    expect(ann, "! reconnecting")
    expect(ann, "lobby (reconnecting)>")
    ann.send("\x04")
    ann.expect(pexpect.EOF)
    ann.close()
    assert ann.exitstatus == 0


def test_a_dumb_terminal_gets_lines(server, terminal, bob):
    child = terminal(*server.reach("tcp"), "--name", "cyd", term="dumb")
    child.expect_exact("* cyd joined lobby\r\n")
    bob.sendline("hello")
    child.expect_exact("lobby #4 bob: hello\r\n")
    child.sendline("/who")
    child.expect_exact("in lobby: ann bob cyd\r\n")
    child.sendline("/quit")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_dumb_terminal_sees_no_escape(server, terminal):
    child = terminal(*server.reach("tcp"), term="dumb")
    child.sendline("/who")
    child.sendline("/quit")
    child.expect(pexpect.EOF)
    assert b"\x1b" not in child.before
    assert "in lobby: tester\r\n" in child.before.decode()


def test_no_color(server, terminal):
    colours = re.compile(rb"\x1b\[[0-9;]*(3|4|9|10)[0-7][0-9;]*m")
    for more, wanted in ({}, True), ({"NO_COLOR": "1"}, False):
        child = terminal(*server.reach("tcp"), **more)
        child.logfile_read = shown = io.BytesIO()
        expect(child, "lobby>")
        child.sendline("hello")
        expect(child, "tester: hello")
        child.sendline("/quit")
        child.expect(pexpect.EOF)
        child.close()
        assert bool(colours.search(shown.getvalue())) is wanted


def test_a_long_flood_does_not_lock_the_terminal(serve, terminal, netlab):
    server = serve("--no-rate-limit")
    ann = terminal(*server.reach("tcp"), "--name", "ann")
    expect(ann, "lobby>")
    flood = b"".join(b"%d\n" % number for number in range(3000)) + b"last\n"
    assert netlab(*server.reach("tcp"), "--name", "bob", stdin=flood).returncode == 0
    expect(ann, "bob: last")
    ann.sendline("still here")
    expect(ann, "ann: still here")
