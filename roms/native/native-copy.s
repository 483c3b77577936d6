# The workload `copy` as a process.
.include "../bench/bench-copy.s"
