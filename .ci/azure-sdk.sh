#!/usr/bin/env bash
# Prints the folder of Microsoft's Python SDK for Blob Storage, which proves the emulator in Tests/azure:
# CAIRN_AZURE_SDK, else the one that setup.sh put into the cache. Exit code 1 when there is none.
set -euo pipefail

cached="${XDG_CACHE_HOME:-$HOME/.cache}/cairn/azure-storage-blob-12.31.1"

if [[ "${1:-}" == --cache-path ]]; then
    echo "$cached"
elif [[ -n "${CAIRN_AZURE_SDK:-}" ]]; then
    echo "$CAIRN_AZURE_SDK"
elif [[ -d "$cached" ]]; then
    echo "$cached"
else
    echo "azure-sdk.sh: no SDK: run 'make setup', or name its folder in CAIRN_AZURE_SDK" >&2
    exit 1
fi
