# The workload `fills` as a process.
.include "../bench/bench-fills.s"
