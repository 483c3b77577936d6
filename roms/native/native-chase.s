# The workload `chase` as a process.
.include "../bench/bench-chase.s"
