# Draws what 06_realtime.cpp gives it: $wave and $loop, stretches of a plucked string and of a sweep (milliseconds, input,
# device, best gain * tanh(drive x), Elman, LSTM; one line a sample); to the file named svg.
set terminal svg size 1000,760 font "Helvetica,14" background "white"
set output svg
set border 3 linecolor "#666666"
set tics nomirror out textcolor "#444444"
set grid linecolor "#e6e6e6" linetype 1
set multiplot

set tmargin at screen 0.87
set bmargin at screen 0.585
set lmargin at screen 0.085
set rmargin at screen 0.98
set title "A plucked string, through a magnetic core and what has learnt to be one" font ",17" offset 0,1.6
set key at screen 0.53,0.925 center top horizontal samplen 3 width 2 Left reverse noenhanced
set xlabel "milliseconds" offset 0,0.5
set ylabel "sample" offset 1.8,0
set xrange [*:*] noextend
plot $wave using 1:3 with lines linecolor "#222222" linewidth 3 title "device", \
     $wave using 1:4 with lines linecolor "#fda766" linewidth 2 dashtype (7,4) title "tanh", \
     $wave using 1:6 with lines linecolor "#1259a5" linewidth 1.6 dashtype (6,4) title "LSTM"

set title font ",14" offset 0,-0.5
set xlabel "input" offset 0,0.5
set ylabel "output" offset 1.8,0
set tmargin at screen 0.42
set bmargin at screen 0.085
set key at graph 0.04,0.98 left top vertical samplen 3 Left reverse noenhanced
set xrange [*:*]

set lmargin at screen 0.085
set rmargin at screen 0.5
set title "A sweep, output against input: without memory, and Elman"
plot $loop using 2:3 with lines linecolor "#222222" linewidth 3 title "device", \
     $loop using 2:4 with lines linecolor "#fda766" linewidth 2 title "tanh", \
     $loop using 2:5 with lines linecolor "#c92a2a" linewidth 1.4 title "Elman"

set lmargin at screen 0.575
set rmargin at screen 0.98
set title "... and LSTM"
plot $loop using 2:3 with lines linecolor "#222222" linewidth 3 title "device", \
     $loop using 2:6 with lines linecolor "#1259a5" linewidth 1.6 dashtype (6,4) title "LSTM"
unset multiplot
