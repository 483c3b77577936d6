/* Numerical programs whose every bit is printed: the same on a guest and as a process, or one of
 * them computes wrongly. `say` is the world's: a port in a guest, a system call in a process. */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

void say(char c);

static void say_text(const char *text)
{
    while (*text)
        say(*text++);
}

static void say_bytes(const void *what, int size)
{
    const u8 *byte = what;
    while (size--) {
        say("0123456789abcdef"[byte[size] >> 4]);
        say("0123456789abcdef"[byte[size] & 15]);
    }
    say('\n');
}

#define TELL(name, value, size) (say_text(name " "), say_bytes(&(value), size))

static u32 seed = 12345;

static double noise(void)
{
    seed = seed * 1664525 + 1013904223;
    return (double)(int)seed / 65536.0;
}

/* Five bodies under gravity, by leapfrog: double precision, divisions and square roots. */
static double root(double x)
{
    double r;
#ifdef __SSE2__
    __asm__("sqrtsd %1, %0" : "=x"(r) : "x"(x));
#else
    __asm__("fsqrt" : "=t"(r) : "0"(x));
#endif
    return r;
}

static void bodies(void)
{
    double at[5][3], v[5][3], mass[5];
    for (int i = 0; i < 5; i++) {
        mass[i] = 1 + noise() * noise() / 1e10;
        for (int d = 0; d < 3; d++)
            at[i][d] = noise() / 1000, v[i][d] = noise() / 1e6;
    }
    for (int step = 0; step < 2000; step++) {
        for (int i = 0; i < 5; i++)
            for (int j = 0; j < 5; j++) {
                if (i == j)
                    continue;
                double delta[3], square = 0.01;
                for (int d = 0; d < 3; d++)
                    delta[d] = at[j][d] - at[i][d], square += delta[d] * delta[d];
                double pull = mass[j] / (square * root(square)) * 0.001;
                for (int d = 0; d < 3; d++)
                    v[i][d] += delta[d] * pull;
            }
        for (int i = 0; i < 5; i++)
            for (int d = 0; d < 3; d++)
                at[i][d] += v[i][d] * 0.001;
    }
    TELL("bodies", at, sizeof at);
}

/* A linear system by elimination with pivots. */
static void system_of_equations(void)
{
    enum { N = 24 };
    static double a[N][N + 1];
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= N; j++)
            a[i][j] = noise();
    for (int c = 0; c < N; c++) {
        int best = c;
        for (int r = c; r < N; r++)
            if (__builtin_fabs(a[r][c]) > __builtin_fabs(a[best][c]))
                best = r;
        for (int j = c; j <= N; j++) {
            double t = a[c][j];
            a[c][j] = a[best][j], a[best][j] = t;
        }
        for (int r = c + 1; r < N; r++) {
            double f = a[r][c] / a[c][c];
            for (int j = c; j <= N; j++)
                a[r][j] -= f * a[c][j];
        }
    }
    for (int r = N - 1; r >= 0; r--) {
        for (int j = r + 1; j < N; j++)
            a[r][N] -= a[r][j] * a[j][N];
        a[r][N] /= a[r][r];
        TELL("x", a[r][N], 8);
    }
}

/* The Mandelbrot set in single precision, and conversions to integers. */
static void mandelbrot(void)
{
    u32 sum = 0;
    for (int y = 0; y < 48; y++)
        for (int x = 0; x < 64; x++) {
            float re = x / 24.0f - 2, im = y / 24.0f - 1, a = re, b = im;
            int n = 0;
            for (; n < 200 && a * a + b * b < 4; n++) {
                float t = a * a - b * b + re;
                b = 2 * a * b + im, a = t;
            }
            sum = sum * 31 + n + (u32)(int)(a * 1000);
        }
    TELL("mandelbrot", sum, 4);
}

/* Denormals, infinities and what is no number. */
static void edges(void)
{
    volatile double tiny = 4.9406564584124654e-324, huge = 1.7976931348623157e308, zero = 0;
    double results[] = {tiny / 2, tiny * 3, huge * 2, huge * tiny, zero / zero, 1 / zero, -1 / zero,
                        huge - huge * 2, (float)huge, (float)1e-40, tiny + tiny, huge + 1};
    for (unsigned i = 0; i < sizeof results / sizeof *results; i++)
        TELL("edge", results[i], 8);
    volatile long long big = 0x123456789ABCDEFLL;
    double of_big = (double)big;
    long long back = (long long)(of_big / 3);
    TELL("integer", back, 8);
}

/* The x87's own: 80 bits, transcendentals, remainders, decimal. */
static void x87(void)
{
    long double sum = 0;
    for (int i = 1; i < 300; i++) {
        long double x = (2 * i + 1) / 14.0L, sine, cosine, tangent, log, power, rest;
        __asm__("fsin" : "=t"(sine) : "0"(x));
        __asm__("fcos" : "=t"(cosine) : "0"(x));
        __asm__("fpatan" : "=t"(tangent) : "0"(x), "u"(sine) : "st(1)");
        __asm__("fyl2x" : "=t"(log) : "0"(x), "u"(cosine) : "st(1)");
        __asm__("f2xm1" : "=t"(power) : "0"(sine));
        __asm__("fprem" : "=t"(rest) : "0"(x), "u"(1.3L));
        sum += sine * cosine + tangent / log - power * rest;
    }
    TELL("x87", sum, 10);
    u8 decimal[10];
    __asm__ volatile("fbstp %0" : "=m"(decimal) : "t"(sum * 1e6L) : "st");
    TELL("decimal", decimal, 10);
    unsigned short control = 0x0C7F, usual = 0x037F;
    float third;
    __asm__ volatile("fldcw %1; fld1; fidivs %3; fstps %0; fldcw %2"
                     : "=m"(third)
                     : "m"(control), "m"(usual), "m"((short){3}));
    TELL("towards zero", third, 4);
}

#ifdef __SSE2__
typedef float f4 __attribute__((vector_size(16)));
typedef int i4 __attribute__((vector_size(16)));
typedef short i8 __attribute__((vector_size(16)));

/* Packed single precision and integers. */
static void packed(void)
{
    f4 a = {1, 2, 3, 4}, b = {0.1f, 0.2f, 0.3f, 0.4f};
    i4 n = {1, -2, 3, -4};
    i8 w = {1, -2, 3, -4, 5, -6, 7, -8};
    for (int i = 0; i < 1000; i++) {
        a = a * b + (a - b) / (a * a + 1);
        b = __builtin_ia32_sqrtps(a * a + b);
        n = __builtin_ia32_cvttps2dq(a * 1000) ^ (n << 3) ^ (n >> 5);
        w = __builtin_ia32_pmulhw128(w, (i8)n) + __builtin_ia32_packssdw128(n, (i4)w);
    }
    TELL("packed floats", a, 16);
    TELL("packed dwords", n, 16);
    TELL("packed words", w, 16);
}
#else
static void packed(void) {}
#endif

void program(void)
{
    bodies();
    system_of_equations();
    mandelbrot();
    edges();
    x87();
    packed();
}
