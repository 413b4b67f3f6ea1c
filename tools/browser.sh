#!/bin/sh
# Sees to a browser for tests/browser. Installs Debian's Chromium on CI machines only (CI is set)
# that have none; anywhere else it says what will be skipped.
set -u
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
as_root=
[ "$(id -u)" -eq 0 ] || as_root="sudo -n"
if [ -n "${CI:-}" ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium for the browser tests"
    $as_root apt-get update -qq && $as_root apt-get install -y -qq chromium >/dev/null && exit 0
fi
echo "No Chromium: the browser tests will be skipped (Debian, Ubuntu: apt install chromium)."
