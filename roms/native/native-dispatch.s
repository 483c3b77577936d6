# The workload `dispatch` as a process.
.include "../bench/bench-dispatch.s"
