# Python's own client, as a program of the guest: python3 urllib_get.py URL
import sys
import urllib.request

sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())
