#!/usr/bin/env bash
# NVIDIA's run-time compiler from Debian's non-free packages, unpacked into the folder FOLDER (default test/cuda/.nvrtc): the CUDA tests
# compile every kernel with it. Nothing is installed, no root is needed, and the machine's apt sources stay as they are.
#
#     bash scripts/nvrtc.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-test/cuda/.nvrtc}
[ ! -e "$folder/.unpacked" ] || exit 0

fail() {
  echo "nvrtc.sh: $1; the CUDA tests go without NVRTC" >&2
  exit 1
}

[ "$(uname -sm)" = "Linux x86_64" ] || fail "Debian's packages are for x86-64"
command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "this is no Debian or Ubuntu"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/parts" "$work/root"
# The mirror that this machine uses for Debian itself.
mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -n 1 | tr -d ' ' || true)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} bookworm non-free" \
  >"$work/parts/non-free.list"
apt=(-o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/parts" -o "Dir::State::Lists=$work/lists"
  -o "Dir::Cache::pkgcache=$work/pkgcache.bin" -o "Dir::Cache::srcpkgcache=$work/srcpkgcache.bin")
(
  cd "$work"
  chmod 755 "$work"
  apt-get "${apt[@]}" -qq update && apt-get "${apt[@]}" -qq download libnvrtc11.2 libnvrtc-builtins11.8
) >/dev/null 2>&1 || fail "Debian's non-free packages could not be had"
for package in "$work"/*.deb; do dpkg -x "$package" "$work/root"; done
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
cp -r "$work/root/usr/lib/x86_64-linux-gnu" "$folder"
touch "$folder/.unpacked"
