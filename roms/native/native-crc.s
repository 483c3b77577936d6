# The workload `crc` as a process.
.include "../bench/bench-crc.s"
