# Draws online.tsv, which 10_online.cpp writes (seconds, then dB of the network as it was trained, of least squares, and
# of the network that goes on learning), to online.svg.
set terminal svg size 1000,460 font "Helvetica,14" background "white"
set output "online.svg"
stats "online.tsv" using 1 nooutput
last = STATS_max
set border 3 linecolor "#666666"
set tics nomirror out textcolor "#444444"
set grid ytics linecolor "#dddddd" linetype 1
set title "What is left of an echo, in a room whose resonance drifts" font ",17"
set key top left horizontal samplen 3
set xlabel "seconds"
set ylabel "dB of the echo"
set yrange [*:12]
set object 1 rectangle from first last / 3, graph 0 to first 2 * last / 3, graph 1 behind fillcolor "#f1f4f9" fillstyle solid noborder
set label 1 "the room drifts" at first last / 3, graph 0.06 offset 1,0 textcolor "#667788"
plot "online.tsv" using 1:2 with lines linecolor "#222222" linewidth 1.6 title "as it was trained", \
     "" using 1:3 with lines linecolor "#fda766" linewidth 2 title "least squares", \
     "" using 1:4 with lines linecolor "#1259a5" linewidth 2.2 title "goes on learning"
