# The workload `sieve` as a process.
.include "../bench/bench-sieve.s"
