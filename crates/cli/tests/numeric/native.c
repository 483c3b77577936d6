/* The program as a process: its words go to standard output. */

void program(void);

static char said[1 << 16];
static int length;

void say(char c)
{
    if (length < (int)sizeof said)
        said[length++] = c;
}

void process(void)
{
    int result;
    program();
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(4), "b"(1), "c"(said), "d"(length) : "memory");
    __asm__ volatile("int $0x80" : : "a"(1), "b"(0));
}

__asm__(".globl _start\n_start: and $-16, %esp; call process");
