#!/usr/bin/env bash
# Verifies and measures rmxc on the NVIDIA GPU at hand. Needs a driver, NVRTC or a CUDA toolkit, Node 20 or later (NODE names one that
# was carried along), and this folder's packages (npm ci). Ends within ten minutes and says what is missing.
#
#   bench/cuda/run.sh [OUT]      results: OUT/report.md, OUT/report.json (default /tmp/rmxc-bench-cuda)
#
# 1. verify        every example at a small size against the f64 reference, and some in 16 and in 8 bits
# 2. sanitize      compute-sanitizer, where it is present: memory, races, barriers
# 3. measure       cases.ts; clocks and power beside
# 4. storage types weights in f16, int8 and fp8, at few rows
# 5. peers         PyTorch and cuBLAS, where python3 with torch is present
set -u
cd "$(dirname "$0")/../.."
out=${1:-${TMPDIR:-/tmp}/rmxc-bench-cuda}
node=${NODE:-node}
began=$SECONDS
missing=()
failed=0
mkdir -p "$out"
left() { echo $((${TOTAL_SECONDS:-570} - (SECONDS - began))); }
# Runs a command for at most so many seconds, and no longer than there is time left.
within() {
  local limit=$1; shift
  local most; most=$(left)
  if ((limit > most)); then limit=$most; fi
  if ((limit < 5)); then echo "no time left for: $*" >&2; return 124; fi
  timeout --kill-after=5 "$limit" "$@"
}
ts() { "$node" scripts/run-ts.mjs "$@"; }

if ! "$node" -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null; then
  echo "missing: Node 20 or later (NODE=/path/to/node names one)" >&2
  exit 1
fi
if [ ! -d node_modules/koffi ] || [ ! -d node_modules/esbuild ]; then
  echo "missing: the packages; run npm ci" >&2
  exit 1
fi
# Compiled once each, and what is run afterwards is this file.
"$node" scripts/build.mjs >/dev/null || exit 1
rmxc() { "$node" dist/cli.js "$@"; }

echo "== what there is"
rmxc doctor | sed -n '1,/^$/p'
open='import { openDevice } from "./dist/index.js";
try { (await openDevice("cuda")).destroy() } catch (error) { console.error(error.message); process.exit(1) }'
if ! why=$("$node" --input-type=module -e "$open" 2>&1); then
  echo "missing: a CUDA device that serves: $why" >&2
  rmxc doctor | sed -n '/^no CUDA/,/^$/p' >&2
  echo "nothing was verified on a GPU and nothing was measured" >&2
  exit 1
fi
command -v nvidia-smi >/dev/null || missing+=("nvidia-smi: no clocks and power")
command -v compute-sanitizer >/dev/null || missing+=("compute-sanitizer: memory and races were not checked")
python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || missing+=("python3 with torch: no peers")

echo "== verify"
# Sizes that the reference computes in a moment, and that are no multiples of a tile.
small() {
  case $1 in
    autoint) echo D=20 L=2 ;;
    dhen) echo T=6 U=3 D=24 L=2 l=3 heads=2 width=36 ;;
    hiformer) echo D=24 heads=2 dk=10 dv=12 ;;
    hstu) echo L=37 D=36 layers=2 heads=3 hidden=20 ;;
    longer) echo L=66 D=24 K=2 recent=9 layers=2 heads=2 hidden=20 ;;
    mixformer) echo N=4 D=36 U=2 L=19 layers=2 ratio=1.5 ;;
    onetrans) echo L=37 D=36 M=3 layers=2 heads=2 least=4 ratio=1.5 ;;
    pangu) echo T=19 D=36 layers=2 heads=2 ;;
    rankmixer | quickstart) echo T=6 U=2 D=90 L=2 ;;
    rankmixer_1b) echo T=6 U=3 D=90 L=2 rows=1000 ;;
    rankmixer_moe) echo T=4 U=2 D=76 L=2 experts=3 ;;
    tokenmixer_large) echo D=72 heads=4 L=2 every=1 ratio=2 experts=4 rows=1000 ;;
    ug_rankmixer) echo T=6 U=2 D=90 L=2 compensate=true rows=1000 ;;
    ug_tokenmixer) echo T=6 U=3 D=48 heads=6 L=2 top=2 ;;
    unimixer | unimixing_lite) echo T=4 U=2 D=48 L=2 size=8 ;;
    wukong) echo D=24 L=2 ;;
  esac
}
verified=0
for spec in ${SPECS:-examples/*.rmx}; do
  name=$(basename "$spec" .rmx)
  (($(left) < ${AFTER_VERIFY:-330})) && { missing+=("time: verifying ended before $name"); break; }
  sets=()
  for each in $(small "$name"); do sets+=(--set "$each"); done
  if within 60 "$node" dist/cli.js run "$spec" --device cuda --verify --candidates 37 "${sets[@]}" --json >"$out/verify-$name.json" 2>"$out/verify-$name.txt"; then
    verified=$((verified + 1))
  else
    failed=$((failed + 1))
    echo "$name: $(head -3 "$out/verify-$name.txt" | tr '\n' ' ')"
  fi
done
# Tensor cores, and what weights are stored as; each size with the schedules that are made for it.
narrow=(
  'compute = bf16'
  'compute = f16; "**.ffn.*" = f16'
  'compute = f16; "**.ffn.*" = int8 per channel'
  'compute = bf16; "**.ffn.*" = fp8_e4m3'
)
for precision in "${narrow[@]}"; do
  for name in rankmixer_1b tokenmixer_large; do
    for rows in 1 37 300; do
      (($(left) < ${AFTER_VERIFY:-330})) && { missing+=("time: verifying ended before $name, $rows rows, $precision"); break 3; }
      spec="$out/$name-$rows.rmx"
      sed "s/serve {.*}/serve { requests <= 1, candidates <= $rows }/" "examples/$name.rmx" >"$spec"
      file="$out/verify-$name-$rows-$(echo "$precision" | tr -cd '[:alnum:]_')"
      sets=()
      for each in $(small "$name"); do sets+=(--set "$each"); done
      if within 60 "$node" dist/cli.js run "$spec" --device cuda --verify --candidates "$rows" --precision "$precision" \
        "${sets[@]}" --json >"$file.json" 2>"$file.txt"; then
        verified=$((verified + 1))
      else
        failed=$((failed + 1))
        echo "$name, $rows rows, $precision: $(head -3 "$file.txt" | tr '\n' ' ')"
      fi
    done
  done
done
echo "$verified runs are right, $failed are not"

if command -v compute-sanitizer >/dev/null; then
  echo "== sanitize"
  for tool in memcheck racecheck synccheck; do
    if within 40 compute-sanitizer --tool "$tool" --error-exitcode 9 --target-processes all \
      "$node" dist/cli.js run examples/quickstart.rmx --device cuda --candidates 5 >"$out/$tool.txt" 2>&1; then
      echo "$tool: nothing found"
    else
      status=$?
      if ((status == 124)); then missing+=("time: $tool did not end"); else failed=$((failed + 1)); tail -3 "$out/$tool.txt"; fi
    fi
  done
fi

echo "== measure"
sampler=
if command -v nvidia-smi >/dev/null; then
  nvidia-smi --query-gpu=clocks.sm,power.draw,temperature.gpu --format=csv,noheader,nounits -lms 500 >"$out/clocks.csv" 2>/dev/null &
  sampler=$!
fi
ts bench/cuda/measure.ts --list >"$out/cases.json"
within 200 "$node" scripts/run-ts.mjs bench/cuda/measure.ts --seconds "${MEASURE_SECONDS:-150}" --out "$out/rmxc.json" ${SHRINK:+--shrink} ||
  { failed=$((failed + 1)); echo "measuring failed"; }
echo "== storage types"
# W8A16 against f16, the same two products, on the device's own clock: bench/precision.ts.
types='f16, computed in f16;int8, computed in f16;fp8_e4m3'
within 70 "$node" scripts/run-ts.mjs bench/precision.ts --device cuda --rows "${PRECISION_ROWS:-1,4,16}" --types "$types" \
  ${SHRINK:+--set D=32} --json "$out/precision.json" | tee "$out/precision.txt"
((PIPESTATUS[0] == 0)) || missing+=("storage types ended early")
if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
  echo "== peers"
  within 200 python3 bench/cuda/peer.py "$out/cases.json" "$out/peers.json" --seconds $(($(left) - 20)) >"$out/peers.txt" 2>&1 ||
    missing+=("peers ended early: $(tail -1 "$out/peers.txt")")
fi
[ -n "$sampler" ] && kill "$sampler" 2>/dev/null

echo "== report"
ts bench/cuda/report.ts "$out"
((${#missing[@]} == 0)) || printf 'missing: %s\n' "${missing[@]}"
echo "$((SECONDS - began)) s"
exit $((failed > 0))
