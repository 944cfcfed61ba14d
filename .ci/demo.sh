#!/usr/bin/env bash
# The five-minute tour, on throwaway servers: back one up, look at the repository, restore it into the other, and let
# the servers themselves prove that both hold the same. Exit code 0 only when that proof holds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binaries="$(swift build -c release --show-bin-path)"
PATH="$binaries:$PATH"
work="$(mktemp -d "${TMPDIR:-/tmp}/cairn-demo.XXXXXX")"

# Each server ends when its standard input does: closing the pipes, or dying, ends them, and nothing is left behind.
cleanup() {
    local code=$?
    trap - EXIT
    exec 7>&- 8>&-
    wait
    rm -rf "$work"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [[ -t 1 ]]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
title() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
show() {
    printf '%s$ %s%s\n' "$dim" "$*" "$plain"
    "$@"
}

# uri_of NAME PROCESS: waits until the server takes writes and prints its URI.
uri_of() {
    local name="$1" line=""
    for _ in $(seq 600); do
        line="$(cat "$work/$name.json")"
        if [[ -n "$line" ]]; then
            sed 's/.*"uri": "\([^"]*\)".*/\1/' <<<"$line"
            return 0
        fi
        kill -0 "$2" 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/$name.err" >&2
    return 1
}

title "Two throwaway single-node replica sets"
mkfifo "$work/source.in" "$work/target.in"
for name in source target; do
    mkdir "$work/$name"
    : >"$work/$name.json"
    fixture start --dir "$work/$name" <"$work/$name.in" >"$work/$name.json" 2>"$work/$name.err" &
    declare "${name}_process=$!"
done
exec 7>"$work/source.in" 8>"$work/target.in"
source="$(uri_of source "$source_process")"
target="$(uri_of target "$target_process")"
echo "source: $source"
echo "target: $target"

title "Sample data in the source: all BSON types, views, a time series, capped and clustered collections"
show fixture load-sample --uri "$source"

title "A repository: encrypted, so first a passphrase, in a file that only its owner reads"
umask 077
head -c 32 /dev/urandom | base64 >"$work/passphrase"
export CAIRN_REPOSITORY="$work/repository" CAIRN_PASSPHRASE_FILE="$work/passphrase" CAIRN_URI="$source"
show cairn init

title "A full backup"
show cairn backup full

title "An afternoon of work, and what follows it: an incremental reads what changed and nothing else"
show fixture work --uri "$source"
show cairn backup incremental

title "What is there"
show cairn snapshots
show cairn stats

title "Is it whole? First the structure, then every byte: decrypted, decoded, hashed, validated"
show cairn check
show cairn check --read-data

title "One document, straight from the repository"
show cairn cat library.people --limit 1

title "Restore into the other server, every document compared afterwards"
show cairn restore --uri "$target" --verify

title "The proof: both servers' own hashes of their data, and what they say of options and indexes"
show fixture compare --uri "$source" --with "$target"

title "An accident: everybody deleted, a collection dropped; the next backup runs all the same"
fixture hash --uri "$source" >"$work/before"
time="$(fixture accident --uri "$source")"
echo "the last good operation was at $time"
show cairn backup incremental
show cairn timeline

title "One document as it was before, and everything as it was before"
show cairn cat library.lendings --at "$time"
show cairn restore --uri "$target" --at "$time" --drop --verify

title "The proof: the other server's own hashes are those that the source had before the accident"
fixture hash --uri "$target" >"$work/after"
cat "$work/after"
diff "$work/before" "$work/after"
echo "equal"
