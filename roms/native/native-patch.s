# The workload `patch` as a process.
.include "../bench/bench-patch.s"
