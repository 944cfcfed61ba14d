#!/usr/bin/env bash
# Prints the path of the mongod that the tests, the demo and the benchmarks start: CAIRN_MONGOD, else the one on
# PATH, else the one that setup.sh put into the cache. Exit code 1 when there is none.
set -euo pipefail

cached="${XDG_CACHE_HOME:-$HOME/.cache}/cairn/mongod-6.0.5/mongod"

if [[ "${1:-}" == --cache-path ]]; then
    echo "$cached"
elif [[ -n "${CAIRN_MONGOD:-}" ]]; then
    if [[ ! -x "$CAIRN_MONGOD" ]]; then
        echo "mongod.sh: CAIRN_MONGOD names '$CAIRN_MONGOD', which is not an executable file" >&2
        exit 1
    fi
    echo "$CAIRN_MONGOD"
elif command -v mongod; then
    :
elif [[ -x "$cached" ]]; then
    echo "$cached"
else
    echo "mongod.sh: no mongod: run 'make setup', put one on PATH, or name one in CAIRN_MONGOD" >&2
    exit 1
fi
