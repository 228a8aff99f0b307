#!/usr/bin/env bash
# What `npm test` runs: formatting and lint, types, the language's own formatter, and every test on a real WebGPU device.
# With arguments it runs vitest alone and hands them on: `npm test -- test/runtime`.
# The last line is `N passed, N failed`; each check counts as one.
set -uo pipefail
cd "$(dirname "$0")/.."

passed=0
failed=0

finish() {
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
  exit
}

check() {
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
    echo "ok: $name"
  else
    failed=$((failed + 1))
    echo "FAILED: $name ($*)"
  fi
}

# The tests run on a device; without one they would say nothing about it, so there is no skipping.
if ! node scripts/probe.mjs 2>/dev/null; then
  if ! bash scripts/driver.sh || ! node scripts/probe.mjs 2>/dev/null; then
    echo "FAILED: there is no WebGPU device to test on"
    failed=1
    finish
  fi
fi

# Two things at a time, as many as the smallest machine has processors; what they say is shown when both are done.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

together() {
  "$1" >"$logs/$1" 2>&1 &
  local first=$!
  "$2" >"$logs/$2" 2>&1
  local second=$?
  wait "$first"
  local status=$?
  cat "$logs/$1" "$logs/$2"
  return $((status | second))
}

# The exporter's tests run ONNX Runtime, whose binaries are in its package: no install script needs to run. It has a folder of
# its own, so that the package's install stays small, and is installed again when its lock file changes.
onnx_runtime() {
  cmp -s test/onnx/package-lock.json test/onnx/node_modules/.installed && return
  npm ci --prefix test/onnx --ignore-scripts --no-audit --no-fund --loglevel=error &&
    cp test/onnx/package-lock.json test/onnx/node_modules/.installed
}

# Every CUDA text is compiled by NVIDIA's own compiler where it can be had; the tests say what they compiled.
packages() {
  bash scripts/nvrtc.sh
  onnx_runtime
}

# `npm ci` has just built a fresh clone.
build() {
  local sources=(src grammar passes backends scripts/build.mjs package.json tsconfig.json)
  [ -e dist/cli.js ] && [ -z "$(find "${sources[@]}" -newer dist/cli.js -print -quit)" ] || node scripts/build.mjs
}
types() { npx --no-install tsc --noEmit; }

# Waits for the network while the checks keep the processors busy.
packages >"$logs/packages" 2>&1 &
downloads=$!

downloaded() {
  wait "$downloads"
  local status=$?
  cat "$logs/packages"
  return "$status"
}

if [ $# -eq 0 ]; then
  check "build and types" together build types
  check "format and lint" npx --no-install biome check .
  check "rmxc fmt" node dist/cli.js fmt --check examples src/std
else
  check build build
fi
check "what the tests compare with" downloaded

report=$(mktemp)
trap 'rm -rf "$report" "$logs"' EXIT
npx --no-install vitest run --reporter=default --reporter=json --outputFile.json="$report" "$@"
status=$?
counts=$(node scripts/counts.mjs "$report" "$status")
passed=$((passed + ${counts% *}))
failed=$((failed + ${counts#* }))
finish
