# Self-modifying code, generated and run a while: a routine of four random instructions is written, as
# a thunk or a trampoline would be, then run a hundred times; eight such routines a round, in one
# buffer.
.intel_syntax noprefix
.set COUNT, 5000
.set EXPECTED, 0xED9DEE48
.include "lib.inc"
.set LENGTH, 4
.set RUNS, 100

name: .asciz "stubs"
.include "../bench/generate.inc"
