#!/bin/sh
# Opens the course with the first Python here that fits this bundle. README.txt says more.
cd "$(dirname "$0")" || exit 2
for python in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if "$python" -I start.py --fits >/dev/null 2>&1; then
        exec "$python" -I start.py "$@"
    fi
done
if python3 -c "import sys; sys.exit(sys.version_info < (3, 7))" 2>/dev/null; then
    exec python3 start.py "$@"
fi
echo "There is no Python 3.11 or newer here. README.txt says which one this bundle needs." >&2
exit 2
