# The workload `moves` as a process.
.include "../bench/bench-moves.s"
