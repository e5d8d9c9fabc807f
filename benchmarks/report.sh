#!/bin/sh -e
# Builds the benchmark for this very processor, and for any with AVX2, measures with both, and puts the tables and plots
# beside this file. Leave the machine alone meanwhile.
#
#     benchmarks/report.sh [options of recur_benchmark, or -D... for cmake ...]
cd "$(dirname "$0")/.."
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # LibTorch at its best: OpenBLAS chooses its kernels itself

configure='' options=''
for argument; do
  case $argument in
    -D*) configure="$configure $argument" ;;
    *) options="$options $argument" ;;
  esac
done
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# measure <name> <arguments for configuring>
measure() {
  name=$1
  shift
  # shellcheck disable=SC2086 # these are lists of words
  cmake -B "build/$name" --preset release "$@" $configure
  cmake --build "build/$name" --target recur_benchmark
  # shellcheck disable=SC2086
  "build/$name/benchmarks/recur_benchmark" --table --csv="$work/$name.csv" $options >"$work/$name.md"
}
measure release
# Peers are held to the same instructions.
export ONEDNN_MAX_CPU_ISA=AVX2 DNNL_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell ATEN_CPU_CAPABILITY=avx2
measure avx2 -DRECUR_NATIVE=OFF -DCMAKE_CXX_FLAGS=-march=x86-64-v3

gnuplot -e "csv='$work/release.csv'; svg='benchmarks/table.svg'" benchmarks/table.gnuplot
gnuplot -e "csv='$work/avx2.csv'; svg='benchmarks/table_avx2.svg'" benchmarks/table.gnuplot
{
  cat <<'EOF'
# One run of the benchmark

Made by `benchmarks/report.sh`. Behind each peer's microseconds stands how many times recur's they are; `I H N T` are inputs,
hidden units, batch and steps; the limits are those of the multiply-adds that the core was measured to do. *2 threads* is how many
times as fast two are as one; in a *step*, one sample goes through a layer and a readout; a *sweep* is a cell that only goes
through memory, beside a bare loop over the same; in a *step of training* a mini-batch is read, goes forward and back, and is
clipped and applied.

## For this very processor

EOF
  cat "$work/release.md"
  cat <<'EOF'

## For any processor with AVX2

Compiled with `-march=x86-64-v3`; oneDNN, LibTorch and OpenBLAS are held to AVX2, too.

EOF
  cat "$work/avx2.md"
} >benchmarks/table.md
