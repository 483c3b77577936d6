# The workload `x87` as a process.
.include "../bench/bench-x87.s"
