# Runs the program that the first argument names on a free port, and says which one that is.
import runpy
import socket
import sys

bind, listen = socket.socket.bind, socket.socket.listen


def say(self):
    place = self.getsockname()
    place = place if isinstance(place, str) else "127.0.0.1:%d" % place[1]
    print("Serving on " + place, flush=True)


def bind_to_a_free_port(self, address):
    bind(self, address if isinstance(address, str) else ("127.0.0.1", 0))
    if self.type == socket.SOCK_DGRAM:
        say(self)


def listen_and_say(self, *backlog):
    listen(self, *backlog)
    say(self)


socket.socket.bind, socket.socket.listen = bind_to_a_free_port, listen_and_say
socket.getfqdn = lambda name="": name
runpy.run_path(sys.argv.pop(1), run_name="__main__")
