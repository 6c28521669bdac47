"""An HTTPS server that says which node it is: server.py PORT. Its certificate is beside it."""
import http.server
import os
import socket
import ssl
import sys


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name = socket.gethostname().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)

    def log_message(self, *words):
        pass


os.chdir(os.path.dirname(os.path.abspath(__file__)))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server = http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Answer)
server.daemon_threads = True
server.socket = context.wrap_socket(
    server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
