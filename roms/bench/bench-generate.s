# Self-modifying code, generated and run often: a routine of 64 random instructions is written, then
# run a thousand times; eight such routines a round, in one buffer.
.intel_syntax noprefix
.set COUNT, 400
.set EXPECTED, 0xCBDFA168
.include "lib.inc"
.set LENGTH, 64
.set RUNS, 1000

name: .asciz "generate"
.include "../bench/generate.inc"
