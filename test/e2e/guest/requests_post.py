# requests, as a program of the guest: python3 requests_post.py URL TEXT
import sys

import requests

answer = requests.post(sys.argv[1], data=sys.argv[2], timeout=20)
answer.raise_for_status()
sys.stdout.write(answer.text)
