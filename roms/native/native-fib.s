# The workload `fib` as a process.
.include "../bench/bench-fib.s"
