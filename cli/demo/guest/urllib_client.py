"""Reads a table with Python's urllib."""
import csv
import io
import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=10) as response:
    rows = list(csv.DictReader(io.TextIOWrapper(response, "utf-8")))
    print(f"{response.status}, {len(rows)} prices, the highest {max(float(row['price']) for row in rows):.2f}")
