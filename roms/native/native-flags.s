# The workload `flags` as a process.
.include "../bench/bench-flags.s"
