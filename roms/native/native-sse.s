# The workload `sse` as a process.
.include "../bench/bench-sse.s"
