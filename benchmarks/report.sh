#!/bin/sh -e
# Measures, and puts the table into the README and the plot beside this file. Leave the machine alone meanwhile.
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
sed -i -e '/^<!-- benchmarks.report.sh -->$/,/^<!-- end -->$/{//!d}' \
  -e "/^<!-- benchmarks.report.sh -->\$/r $work/table.md" README.md
