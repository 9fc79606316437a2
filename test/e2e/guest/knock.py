# Makes one request after another on one connection and tells each when its answer is whole: python3 knock.py HOST
import http.client
import itertools
import sys
import time

connection = http.client.HTTPSConnection(sys.argv[1], timeout=10)
for number in itertools.count():
    connection.request("GET", f"/knock/{number}")
    connection.getresponse().read()
    print(number, flush=True)
    time.sleep(0.002)
