/* The program as a multiboot kernel: its words go to Cloister's debug console. */

void program(void);

void say(char c)
{
    __asm__ volatile("outb %0, $0xE9" : : "a"(c));
}

void kernel(void)
{
    __asm__ volatile("fninit");
#ifdef __SSE2__
    /* CR4.OSFXSR and CR4.OSXMMEXCPT. */
    __asm__ volatile("mov %%cr4, %%eax; or $0x600, %%eax; mov %%eax, %%cr4" : : : "eax");
#endif
    program();
    __asm__ volatile("outw %0, %1" : : "a"((short)0x2000), "d"((short)0x604));
}

__asm__(".section .multiboot, \"a\"; .align 4; .long 0x1BADB002, 0, -0x1BADB002; .text\n"
        ".globl _start\n"
        "_start: mov $stack, %esp; call kernel; cli; hlt\n"
        ".bss; .align 16; .skip 65536\n"
        "stack: .text");
