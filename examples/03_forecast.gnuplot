# Draws what 03_forecast.cpp gives it: $observed (year, sunspots), $next and $ahead (persistence, AR, Elman; one line a
# held-out year, from the first on), $losses (a column for each network, a line for each epoch); to the file named svg.
set terminal svg size 1000,700 font "Helvetica,14" background "white"
set output svg
stats $observed using 1 nooutput
last = STATS_max
stats $next using 1 nooutput
start = last + 1 - STATS_records  # the first year held out
stats $losses matrix nooutput

set border 3 linecolor "#666666"
set tics nomirror out textcolor "#444444"
set grid ytics linecolor "#dddddd" linetype 1
set lmargin at screen 0.085
set rmargin at screen 0.98
set multiplot

set tmargin at screen 0.83
set bmargin at screen 0.40
set title "Yearly sunspot numbers, and forecasts of the years held out" font ",17" offset 0,3.2
set key at screen 0.53,0.915 center top horizontal maxrows 2 samplen 3 width 2 Left reverse noenhanced
set xrange [start - 42:last + 1]
set xtics autofreq
set yrange [0:*]
set ylabel "sunspots" offset 1.8,0
set object 1 rectangle from first start - 0.5, graph 0 to first last + 1, graph 1 behind fillcolor "#f1f4f9" fillstyle solid noborder
set label 1 "held out" at first start, graph 0.95 textcolor "#667788"
plot $next using (start + $0):2 with lines linecolor "#7fb7e0" linewidth 2 title "AR(11), one year ahead", \
     $next using (start + $0):3 with lines linecolor "#1259a5" linewidth 2.2 title "Elman, one year ahead", \
     $ahead using (start + $0):2 with lines linecolor "#fda766" linewidth 2 dashtype (7,4) title "AR(11), free-running", \
     $ahead using (start + $0):3 with lines linecolor "#c92a2a" linewidth 2.2 dashtype (7,4) title "Elman, free-running", \
     $observed using 1:2 with linespoints linecolor "#222222" linewidth 1.2 pointtype 7 pointsize 0.4 title "observed"

unset object 1
unset label 1
unset key
set tmargin at screen 0.28
set bmargin at screen 0.09
set title "Loss of the networks on the training years" font ",14" offset 0,-0.5
set xrange [0:STATS_size_y]
set logscale y
set yrange [0.9 * STATS_min:1.1 * STATS_max]
set ytics (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
set xlabel "epoch" offset 0,0.5
set ylabel "squared error" offset 1.8,0
plot for [k = 1:STATS_size_x] $losses using ($0 + 1):k with lines linecolor "#1259a5" linewidth 1
unset multiplot
