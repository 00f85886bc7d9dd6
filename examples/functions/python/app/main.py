"""A request is what stands on standard input, head and body.  All that is above the read happens once, when the
image is taken; each request goes on from there, in an interpreter of its own.  Nobody needs that one
afterwards: it ends by os._exit, since taking it apart takes far longer than answering did."""
import json
import os
import statistics
import sys
import urllib.parse


def answer(target, body):
    path = urllib.parse.urlsplit(target).path
    values = json.loads(body or "[]")
    if path.endswith("/sorted"):
        return sorted(values)
    if path.endswith("/mean"):
        return statistics.fmean(values)
    return {"python": sys.version.split()[0], "path": path, "received": values}


head, _, body = sys.stdin.buffer.read().partition(b"\r\n\r\n")
try:
    method, target, _ = head.split(b"\r\n")[0].decode("ascii").split(" ")
    status, value = "200 OK", answer(target, body)
except (ValueError, TypeError, statistics.StatisticsError) as error:
    status, value = "400 Bad Request", {"error": str(error)}
sys.stdout.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\r\n{json.dumps(value)}\n")
sys.stdout.flush()
os._exit(0)
