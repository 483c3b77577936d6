# The workload `beside` as a process.
.include "../bench/bench-beside.s"
