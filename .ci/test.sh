#!/usr/bin/env bash
# Runs the tests that are built; what failed is said again at the end. Tests run side by side, so a failure scrolls
# away thousands of lines before the summary, and a log that is kept by its end alone would not name it.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

output=$(mktemp)
trap 'rm -f "$output"' EXIT
swift test --skip-build --disable-xctest "$@" 2>&1 | tee "$output"
status=${PIPESTATUS[0]}
if ((status != 0)); then
    printf '\nWhat failed:\n'
    # An issue's comment and values follow it on lines that start with an arrow; a crash has no issue to show.
    grep -aE '✘|^↳|[Ff]atal error|crash' "$output" | head -n 100
    # Tests that were under way when the process died have started and neither passed nor failed.
    comm -23 <(sed -nE 's/^◇ Test ([^ ]+\(.*\)) started\.$/\1/p' "$output" | sort -u) \
        <(sed -nE 's/^[✔✘] Test ([^ ]+\(.*\)) (passed|failed|with).*$/\1/p' "$output" | sort -u) |
        sed 's/^/started and not ended: /' | head -n 20
fi
exit "$status"
