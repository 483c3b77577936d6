# The workload `generate` as a process.
.include "../bench/bench-generate.s"
