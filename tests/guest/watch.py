"""Watches whose the virtual IP is on the LAN: watch.py ADDRESS OWN-ADDRESS FILE, as root.

Asks by ARP twice a second and writes JSON, after each second and at the end: what came from which
hardware address - ARP that answers or announces the address, and TCP with it as its sender.
"""
import collections
import json
import os
import socket
import struct
import subprocess
import sys
import time

vip, own, out = sys.argv[1:4]
nic = subprocess.run(["ip", "-o", "-4", "address", "show", "to", own], capture_output=True,
                     text=True, check=True).stdout.split()[1]
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
raw.bind((nic, 0))
raw.settimeout(0.1)
mac = raw.getsockname()[4]
target = socket.inet_aton(vip)
ask = (b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
       + mac + socket.inet_aton(own) + b"\0" * 6 + target)
seen = collections.defaultdict(collections.Counter)
asked = gap = 0
started = heard = time.monotonic()
next_ask = next_write = 0


def write():
    with open(out + ".part", "w") as file:
        json.dump({"asked": asked, "seconds": round(time.monotonic() - started, 1),
                   "longest_silence": round(max(gap, time.monotonic() - heard), 1),
                   **{kind: dict(macs) for kind, macs in sorted(seen.items())}}, file)
    os.replace(out + ".part", out)


while True:
    now = time.monotonic()
    if now >= next_ask:
        raw.send(ask)
        asked += 1
        next_ask = now + 0.5
    if now >= next_write:
        write()
        next_write = now + 1
    try:
        packet = raw.recv(2048)
    except socket.timeout:
        continue
    kind = struct.unpack("!H", packet[12:14])[0]
    if kind == 0x0806 and packet[28:32] == target:
        reply = struct.unpack("!H", packet[20:22])[0] == 2
        seen["arp_answers" if reply else "arp_announcements"][packet[22:28].hex(":")] += 1
        if reply:
            gap, heard = max(gap, time.monotonic() - heard), time.monotonic()
    elif kind == 0x0800 and packet[26:30] == target and packet[23] == 6:
        seen["tcp"][packet[6:12].hex(":")] += 1
