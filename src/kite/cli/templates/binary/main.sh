#!/bin/sh
# An ordinary program. Kite takes it for ready at the line below and ends it with SIGTERM.
trap 'echo "going"; exit 0' TERM INT

echo "ready"
count=0
while :; do
    count=$((count + 1))
    echo "tick $count"
    sleep 10 & wait $!
done
