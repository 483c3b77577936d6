# The workload `short` as a process.
.include "../bench/bench-short.s"
