# Ring 3 executes SYSENTER, whose MSRs were never written.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    LOAD_IDT
    LOAD_TSS
    RING3   user
user:
    sysenter
