# Draws docs/start.svg and docs/large.svg from bench/results: scripts/bench.sh.
set terminal svg size 800,380 font "sans-serif,13" background "white"
set grid
set key off

set output "docs/start.svg"
set title "From fork to exit of the command, median and 10th to 90th percentile"
set xlabel "milliseconds"
set xrange [0:*]
set yrange [*:*] reverse
set offsets 0, 0, 0.6, 0.6
set ytics out
plot "bench/results/start.tsv" using 3:0:2:4:ytic(1) with xerrorbars pointtype 7 linecolor rgb "#336699"

reset
set terminal svg size 800,420 font "sans-serif,13" background "white"
set grid
set output "docs/large.svg"
set title "The last entry of /etc/passwd and /etc/group"
set xlabel "lines in each file"
set ylabel "milliseconds"
set logscale xy
set key left top
set style data linespoints
set key autotitle columnhead
columns = system("head -1 bench/results/last-entry.tsv | wc -w")
plot for [i = 2:columns] "bench/results/last-entry.tsv" using 1:i linewidth 2 pointtype 7
