#!/usr/bin/env bash
# Write the lock files in requirements/ from pyproject.toml and the two .in files. Called by `make lock`.
#   tools/lock.sh            keeps every version that still fits
#   tools/lock.sh --upgrade  takes the newest of everything
# The files name versions and hashes only: no index, no folder of wheels, no host. Whoever installs chooses where from.
set -euo pipefail
cd "$(dirname "$0")/.."
unset UV_FIND_LINKS UV_INDEX UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL

compile() {
  .venv/bin/python -m uv pip compile --universal --python-version 3.11 --generate-hashes \
    --no-config --quiet --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$@" >/dev/null
}

for name in build lock; do
  compile "requirements/$name.in" -o "requirements/$name.txt" "$@"
done
compile pyproject.toml -o requirements/run.txt "$@"
compile pyproject.toml --extra demo -c requirements/run.txt -o requirements/demo.txt "$@"
compile pyproject.toml --extra fuzz -c requirements/run.txt -o requirements/fuzz.txt "$@"
compile pyproject.toml --extra demo --extra dev -c requirements/demo.txt -o requirements/dev.txt "$@"
