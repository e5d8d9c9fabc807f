# Draws what `recur_benchmark --table --csv=FILE` measured, to the file named svg:
#
#     gnuplot -e "csv='build/table.csv'; svg='benchmarks/table.svg'" benchmarks/table.gnuplot
#
# For each shape how many times as long as recur each peer takes: bars from 1, up where recur is ahead, down where not.

# A panel for each kind of work that was measured, named by the file's first column: "forward/elman".
panels = system("grep -v '^#' '".csv."' | cut -d, -f1 | uniq | tr '\n' ' '")
head = 62
panel = 262
height = head + panel * words(panels) + 34
set terminal svg size 1300,height font "Helvetica,13" background "white"
set output svg
set datafile separator ","
set datafile missing "NaN"

# The rows of one panel, from the file's row `skipped` on. Its columns: work, shape, recur, and the peers.
is_row = "(strcol(1) eq work ? 1 : NaN)"
position = "(column(0) - skipped)"
ratio(c) = column(c) / column(3)
width = 0.27
offset(c) = (c - 5) * width

set border 3 linecolor "#666666"
set tics nomirror out textcolor "#444444"
set xtics scale 0
set grid ytics linecolor "#dddddd" linetype 1
set logscale y
set yrange [0.3:3000]
set ytics (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
set format y "%g"
set style fill solid noborder
set lmargin at screen 0.06
set rmargin at screen 0.99
set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead front linecolor "#222222" linewidth 1.4
array name[6] = ["", "", "", "oneDNN", "LibTorch", "plain Eigen"]
array colour[6] = ["", "", "", "#1259a5", "#e8833a", "#9aa5b1"]
set key at screen 0.995,(1.0 - 13.0 / height) right top horizontal samplen 1.5 width -2 noenhanced
set label 1 "How many times as long as recur each takes (above 1, recur is faster)" at screen 0.012,(1.0 - 22.0 / height) left font ",15"
set label 2 substr(system("head -n 1 ".csv), 3, 300) at screen 0.5,(12.0 / height) center font ",9.5" textcolor "#667788" noenhanced
set multiplot

skipped = 0
do for [i = 1:words(panels)] {
  work = word(panels, i)
  stats csv using @is_row nooutput
  set xrange [-0.6:STATS_records - 0.4]
  top = 1 - (head + panel * (i - 1.0)) / height
  set tmargin at screen top
  set bmargin at screen top - (panel - 66.0) / height
  set label 3 work at graph 0.995,0.94 right font ",14"
  if (i == words(panels)) { set xlabel "inputs and hidden units, batch and steps" offset 0,-0.9 }
  plot for [c = 4:6] csv using @position:(@is_row * ratio(c)):(@position + offset(c) - 0.47 * width) \
           :(@position + offset(c) + 0.47 * width):(1):(@is_row * ratio(c)) \
           with boxxyerror linecolor rgb colour[c] title name[c], \
       for [c = 4:6] csv using (@position + offset(c)):(@is_row * ratio(c) * (ratio(c) < 1 ? 0.84 : 1.2)) \
           :(sprintf(ratio(c) < 9.95 ? "%.1f" : "%.0f", ratio(c))) \
           with labels font ",8.5" textcolor "#444444" notitle, \
       csv using @position:(@is_row) \
           :xticlabels(word(strcol(2), 1)." ".word(strcol(2), 2)."\n".word(strcol(2), 3)." ".word(strcol(2), 4)) \
           with dots linecolor "white" notitle
  skipped = skipped + STATS_records
  unset key
  unset label
}
unset multiplot
