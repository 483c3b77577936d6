# The workload `string` as a process.
.include "../bench/bench-string.s"
