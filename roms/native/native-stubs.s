# The workload `stubs` as a process.
.include "../bench/bench-stubs.s"
