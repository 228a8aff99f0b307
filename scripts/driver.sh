#!/usr/bin/env bash
# Installs Mesa's software Vulkan driver (lavapipe), which lets WebGPU run on a machine without a GPU.
# Debian 12 itself has Mesa 22, which Dawn refuses; there the driver comes from Debian's backports.
# The machine's apt sources stay as they are: backports are named in a temporary folder for these commands alone.
set -euo pipefail

fail() {
  echo "driver.sh: $1" >&2
  exit 1
}

[ "$(uname -s)" = Linux ] || fail "only Linux needs this driver; other systems bring a WebGPU backend of their own"
command -v apt-get >/dev/null || fail "this is no Debian or Ubuntu; install Mesa 24 or later with its Vulkan driver lavapipe"

root=()
if [ "$(id -u)" -ne 0 ]; then
  # `sudo -n` asks for nothing: it works or it fails.
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    root=(sudo -n)
  else
    fail "installing a package needs root; type: sudo bash $(realpath "$0")"
  fi
fi

codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
packages=(mesa-vulkan-drivers libvulkan1)
sources=()
release=()

[ "$codename" != bookworm ] || release=(-t bookworm-backports)
if [ "$codename" = bookworm ] && ! grep -rqs bookworm-backports /etc/apt/sources.list /etc/apt/sources.list.d; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  chmod 755 "$folder"
  cp -a /etc/apt/sources.list.d/. "$folder/"
  # The mirror that this machine uses for Debian itself.
  mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -n 1 | tr -d ' ' || true)
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} bookworm-backports main" \
    >"$folder/zz-rmxc-backports.list"
  sources=(-o "Dir::Etc::SourceParts=$folder")
fi

echo "driver.sh: installing ${packages[*]}${release:+ from bookworm-backports} with apt-get (Mesa's software Vulkan driver)" >&2
export DEBIAN_FRONTEND=noninteractive
"${root[@]}" apt-get "${sources[@]}" -qq update || fail "apt-get update failed"
"${root[@]}" apt-get "${sources[@]}" -qq -y --no-install-recommends "${release[@]}" install "${packages[@]}" >/dev/null ||
  fail "apt-get install failed; type: apt-get install ${release[*]} ${packages[*]}"
echo "driver.sh: done" >&2
