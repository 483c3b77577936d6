# The workload `filter` as a process.
.include "../bench/bench-filter.s"
