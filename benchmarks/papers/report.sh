#!/usr/bin/env bash
# Makes papers.md: trains each cell on each table, `jobs` of them at a time, each on one core.
#
#     benchmarks/papers/report.sh <folder with the data> [jobs]
#
# Rows are kept in build/papers as they come: what this very program has run already is not run again.
set -euo pipefail
data=$(realpath "${1:?the folder with the data, as they are published}") jobs=${2:-1}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cmake --preset release
cmake --build build/release --target recur_papers
program=build/release/benchmarks/papers/recur_papers
rows=build/papers/$(sha256sum "$program" | cut -c 1-12)
mkdir -p "$rows"
export data program rows OMP_NUM_THREADS=1

# seeds, table, cell, and options otherwise than for the table
runs() {
  local cell steps
  seeds() { [[ " $* " = *" $cell "* ]] && echo 3 || echo 1; } # three where a run takes less than three minutes
  for cell in elman gru lstm slstm mingru rg-lru lru; do
    echo "3 jsb $cell"
    echo "$(seeds lru) nottingham $cell"
    echo "$(seeds elman mingru rg-lru lru) adding $cell"
    echo "$(seeds elman slstm mingru lru) copy $cell"
    echo "$(seeds elman gru) shakespeare $cell"
  done
  for steps in 150 200 300; do echo "3 adding-$steps irnn"; done
  echo "1 shakespeare gru --hidden 512 --epochs 13 --dropout 0.3 --rate 6e-3"
  echo "1 shakespeare gru --layers 2 --hidden 384 --epochs 13 --dropout 0.4 --rate 5e-3"
}
run() {
  local seeds=$1 table=$2 cell=$3 row
  row=$rows/$(IFS=. && echo "${*:2}")
  [ ! -s "$row" ] || return 0
  echo "$row"
  "$program" "$table" --cell "$cell" --seeds "$seeds" "${@:4}" --data "$data" --markdown | tail -n 1 >"$row.new"
  mv "$row.new" "$row"
}
export -f run
runs | xargs -P "$jobs" -L 1 bash -euo pipefail -c 'run "$@"' run

{
  cat <<'END'
# Tables of papers

Made by `benchmarks/papers/report.sh`: `recur_papers <table> --cell <cell>`, with seed 1, or seeds 1 to 3: then the mean
is shown, and from where to where. Seconds are of one core, for one seed. Parameters are those that did best on the
validation data, the last where there are none. Options (in `problems.cpp`) were chosen by validation data alone, of
`shakespeare` with `--tune`. Its last two rows, which were not tuned, are with `--hidden 512 --epochs 13 --dropout 0.3
--rate 6e-3`, and with `--layers 2 --hidden 384 --epochs 13 --dropout 0.4 --rate 5e-3`.
END
  for table in jsb nottingham adding adding-150 adding-200 adding-300 copy shakespeare; do
    about=$("$program" "$table" --data "$data" --about)
    printf '\n## %s\n\n%s\n\n' "$table" "$about"
    echo "| \`$table --cell\` | layers x units | parameters | test | validation | published | seconds |"
    echo "|---|---|---|---|---|---|---|"
    runs | while read -r _ name rest; do [ "$name" != "$table" ] || cat "$rows/$name.${rest// /.}"; done
  done
} >"$rows/papers.md"
mv "$rows/papers.md" benchmarks/papers/papers.md
