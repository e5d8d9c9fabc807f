#!/usr/bin/env bash
# Makes papers.md: trains each cell on each table, `jobs` of them at a time, each on one core.
#
#     benchmarks/papers/report.sh <folder with the data> [jobs]
#
# Rows are kept in build/papers as they come: what is there already is not run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
data=${1:?the folder with the data, as they are published} jobs=${2:-1} rows=build/papers
cmake --preset release
cmake --build build/release --target recur_papers
mkdir -p "$rows"

# seeds, table, cell, and options otherwise than for the table
runs() {
  for table in "3 jsb" "1 shakespeare" "1 copy" "1 adding" "1 nottingham"; do
    for cell in elman gru lstm slstm mingru rg-lru lru; do echo "$table $cell"; done
  done
  for steps in 150 200 300; do echo "1 adding-$steps irnn"; done
  echo "1 shakespeare gru --hidden 512 --epochs 13 --dropout 0.3 --rate 6e-3"
}
runs | OMP_NUM_THREADS=1 xargs -P "$jobs" -L 1 bash -o pipefail -c '
  seeds=$1 table=$2 cell=$3 row='"$rows"'/$(IFS=.; echo "${*:2}")
  shift 3
  [ -s "$row" ] || { echo "$row"; build/release/benchmarks/papers/recur_papers "$table" --cell "$cell" --seeds "$seeds" \
    "$@" --data "$0" --markdown 2>"$row.log" | tail -n 1 >"$row.new" && mv "$row.new" "$row"; }' "$data"

{
  echo "# Tables of papers"
  echo
  echo "Made by \`benchmarks/papers/report.sh\`: \`recur_papers <table> --cell <cell>\`, seed 1, or seeds 1 to 3, of which"
  echo "the mean is shown, and from where to where. Seconds are of one core, and of one seed. Parameters are those that did"
  echo "best on the validation data; hyperparameters (in \`problems.cpp\`) were chosen by them, too."
  for table in jsb nottingham adding adding-150 adding-200 adding-300 copy shakespeare; do
    printf '\n## %s\n\n%s\n\n' "$table" "$(build/release/benchmarks/papers/recur_papers "$table" --data "$data" --about)"
    echo "| \`$table --cell\` | layers x units | parameters | test | validation | published | seconds |"
    echo "|---|---|---|---|---|---|---|"
    runs | while read -r _ name rest; do [ "$name" != "$table" ] || cat "$rows/$name.${rest// /.}"; done
  done
} >benchmarks/papers/papers.md
