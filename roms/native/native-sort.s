# The workload `sort` as a process.
.include "../bench/bench-sort.s"
