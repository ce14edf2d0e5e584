#!/usr/bin/env python3
import time

time.sleep(0.5)

print("Content-Type: text/plain")
print()
print("That took half a second.")
