#!/bin/sh -e
# Measures, and puts the table and the plot beside this file. Leave the machine alone meanwhile.
#
#     benchmarks/report.sh [recur_benchmark [its options ...]]
cd "$(dirname "$0")/.."
benchmark=${1:-build/release/benchmarks/recur_benchmark}
[ $# -eq 0 ] || shift
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # LibTorch at its best: OpenBLAS chooses its kernels itself

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
"$benchmark" --table --csv="$work/table.csv" "$@" > "$work/table.md"
gnuplot -e "csv='$work/table.csv'; svg='benchmarks/table.svg'" benchmarks/table.gnuplot
cat - "$work/table.md" > benchmarks/table.md <<'EOF'
# One run of the benchmark

Made by `benchmarks/report.sh`. Behind each peer's microseconds stands how many times recur's they are; `I H N T` are inputs,
hidden units, batch and steps; the limits are those of the multiply-adds that the core was measured to do. *2 threads* is how many
times as fast two are as one; in a *step*, one sample goes through a layer and a readout.

EOF
