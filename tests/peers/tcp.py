"""What the peers that converse over TCP have in common: a server on a free port of 127.0.0.1, a thread for
each conversation.
"""

from __future__ import annotations

import socketserver
import threading


class Listening(socketserver.ThreadingTCPServer):
    """Listens from the start, at ``port``, until `stop`."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, conversation: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), conversation)
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away or refuses the certificate is what the tests are about."""

    def stop(self) -> None:
        """Take no more conversations and free the port."""
        self.shutdown()
        self.server_close()
        self._thread.join()
