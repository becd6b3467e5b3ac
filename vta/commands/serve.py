"""Serve a device to other machines: a board, or a simulator on a fast server.

Prints the URL that clients pass to `vta.device(...)` or `--device`. Anyone who knows the token may use the device. The
token itself is never sent, but data is, unencrypted: on an untrusted network use an ssh tunnel. Ctrl-C or SIGTERM (what
a service manager sends) ends it and closes the device.
"""

import os
import signal

from vta.commands._common import config_argument, device_argument

NAME = "serve"
HELP = "serve a device over TCP"
EPILOG = """examples:
  vta serve --device pynq --host 0.0.0.0     on the board
  vta serve --device tsim                    a simulator, for this machine only
"""


def add_arguments(parser):
    device_argument(parser, "sim, tsim or pynq")
    config_argument(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=7780, help="0: any free one (default: %(default)s)")
    parser.add_argument("--token", help="what clients must know (default: $VTA_TOKEN, else a new random one)")
    parser.add_argument("--no-token", action="store_true", help="accept every client")
    parser.add_argument("--idle", type=float, default=3600, metavar="SECONDS",
                        help="a client silent for so long loses the device (default: %(default)s)")


def run(args):
    import secrets
    from urllib.parse import quote

    from vta.runtime.device import open_device
    from vta.runtime.remote.serve import Server
    if args.device.startswith("tcp:"):
        raise ValueError("a remote device cannot be served again: clients can reach it themselves")
    if not 0 <= args.port < 65536:
        raise ValueError(f"--port {args.port}: must be 0 to 65535")
    if not args.idle > 0:                # nan included
        raise ValueError(f"--idle {args.idle}: must be more than 0 seconds")
    token = None if args.no_token else args.token or os.environ.get("VTA_TOKEN") or secrets.token_urlsafe(12)
    server = Server(lambda: open_device(args.device, args.config), token, args.host, args.port, args.idle,
                    lambda line: print(line, flush=True))
    query = f"?token={quote(token, safe='')}" if token else ""
    print(f"device {args.device}, configuration {server.config.name}, at {server.url}{query}", flush=True)
    try:
        signal.signal(signal.SIGTERM, _end)
        server.serve_forever()
    finally:
        server.close()


def _end(*_):
    raise SystemExit(0)
