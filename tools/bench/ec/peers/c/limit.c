/* Worker: what the machine's memory and XOR units allow. Operations: `memcpy` of the k data shards,
 * and passes that read k shards and write their XOR to m: `zW` by AVX-512 and `yW` by AVX2, W bytes
 * of every shard in turn; `sW` is AVX-512 with streaming stores. For the numbers of shards that the
 * benchmark names the loops are unrolled by the compiler. `plain` is one loop for any numbers. */
#include "line.h"
#ifdef __x86_64__
#include <immintrin.h>
#endif

typedef void Pass(size_t bytes, int k, int m, uint8_t **in, uint8_t **out);

#define INLINE static inline __attribute__((always_inline))

#ifdef __x86_64__

INLINE void tail(size_t at, size_t bytes, int k, int m, uint8_t **in, uint8_t **out)
{
    for (; at < bytes; at++) {
        uint8_t sum = in[0][at];
        for (int i = 1; i < k; i++) sum ^= in[i][at];
        for (int i = 0; i < m; i++) out[i][at] = sum;
    }
}

/* One pass over `unroll` vectors a step; what is left goes vector by vector, the last of them
 * overlapping the one before, for the sum does not change when it is made twice. */
#define BODY(NAME, TARGET, VECTOR, LOAD, XOR, STORE)                                              \
    __attribute__((target(TARGET))) INLINE void NAME##_step(size_t at, int k, int m,              \
                                                            uint8_t **in, uint8_t **out,          \
                                                            int unroll)                           \
    {                                                                                             \
        const size_t width = sizeof(VECTOR);                                                      \
        VECTOR sum[8];                                                                            \
        _Pragma("GCC unroll 8") for (int u = 0; u < unroll; u++)                                  \
            sum[u] = LOAD((const void *)(in[0] + at + width * (size_t)u));                        \
        _Pragma("GCC unroll 16") for (int i = 1; i < k; i++)                                      \
            _Pragma("GCC unroll 8") for (int u = 0; u < unroll; u++) sum[u] =                     \
                XOR(sum[u], LOAD((const void *)(in[i] + at + width * (size_t)u)));                \
        _Pragma("GCC unroll 4") for (int i = 0; i < m; i++)                                       \
            _Pragma("GCC unroll 8") for (int u = 0; u < unroll; u++)                              \
                STORE((void *)(out[i] + at + width * (size_t)u), sum[u]);                         \
    }                                                                                             \
    __attribute__((target(TARGET))) INLINE void NAME(size_t bytes, int k, int m, uint8_t **in,    \
                                                     uint8_t **out, int unroll)                   \
    {                                                                                             \
        const size_t width = sizeof(VECTOR), step = width * (size_t)unroll;                       \
        size_t at = 0;                                                                            \
        for (; at + step <= bytes; at += step) NAME##_step(at, k, m, in, out, unroll);            \
        for (; at + width <= bytes; at += width) NAME##_step(at, k, m, in, out, 1);               \
        if (at == bytes) return;                                                                  \
        if (bytes >= width)                                                                       \
            NAME##_step(bytes - width, k, m, in, out, 1);                                         \
        else                                                                                      \
            tail(at, bytes, k, m, in, out);                                                       \
    }

BODY(pass512, "avx512f", __m512i, _mm512_loadu_si512, _mm512_xor_si512, _mm512_storeu_si512)
BODY(stream512, "avx512f", __m512i, _mm512_loadu_si512, _mm512_xor_si512, _mm512_stream_si512)
BODY(pass256, "avx2", __m256i, _mm256_loadu_si256, _mm256_xor_si256, _mm256_storeu_si256)

/* A pass whose shard counts are known to the compiler where they are among the usual ones. The
 * pointers are copied, so that the compiler need not fear that a store changes them. */
#define PASS(NAME, TARGET, CALL, UNROLL)                                                          \
    __attribute__((target(TARGET), noinline)) static void NAME(size_t bytes, int k, int m,        \
                                                               uint8_t **in, uint8_t **out)       \
    {                                                                                             \
        uint8_t *a[SHARDS_MAX], *b[SHARDS_MAX];                                                   \
        for (int i = 0; i < k; i++) a[i] = in[i];                                                 \
        for (int i = 0; i < m; i++) b[i] = out[i];                                                \
        switch (k * SHARDS_MAX + m) {                                                             \
        case 2 * SHARDS_MAX + 1: CALL(bytes, 2, 1, a, b, UNROLL); return;                         \
        case 4 * SHARDS_MAX + 1: CALL(bytes, 4, 1, a, b, UNROLL); return;                         \
        case 8 * SHARDS_MAX + 1: CALL(bytes, 8, 1, a, b, UNROLL); return;                         \
        case 10 * SHARDS_MAX + 1: CALL(bytes, 10, 1, a, b, UNROLL); return;                       \
        case 16 * SHARDS_MAX + 1: CALL(bytes, 16, 1, a, b, UNROLL); return;                       \
        case 4 * SHARDS_MAX + 2: CALL(bytes, 4, 2, a, b, UNROLL); return;                         \
        case 8 * SHARDS_MAX + 2: CALL(bytes, 8, 2, a, b, UNROLL); return;                         \
        case 16 * SHARDS_MAX + 2: CALL(bytes, 16, 2, a, b, UNROLL); return;                       \
        case 8 * SHARDS_MAX + 3: CALL(bytes, 8, 3, a, b, UNROLL); return;                         \
        case 10 * SHARDS_MAX + 4: CALL(bytes, 10, 4, a, b, UNROLL); return;                       \
        default: CALL(bytes, k, m, a, b, UNROLL);                                                 \
        }                                                                                         \
    }

/* One loop for any k and m, the widest vectors there are. */
__attribute__((target("avx512f"), noinline)) static void plain512(size_t bytes, int k, int m,
                                                                  uint8_t **in, uint8_t **out)
{
    pass512(bytes, k, m, in, out, 4);
}

__attribute__((target("avx2"), noinline)) static void plain256(size_t bytes, int k, int m,
                                                               uint8_t **in, uint8_t **out)
{
    pass256(bytes, k, m, in, out, 4);
}

PASS(z64, "avx512f", pass512, 1)
PASS(z128, "avx512f", pass512, 2)
PASS(z256, "avx512f", pass512, 4)
PASS(z512, "avx512f", pass512, 8)
PASS(s256, "avx512f", stream512, 4)
PASS(y32, "avx2", pass256, 1)
PASS(y64, "avx2", pass256, 2)
PASS(y128, "avx2", pass256, 4)
PASS(y256, "avx2", pass256, 8)

static const struct {
    const char *name;
    Pass *pass;
    int needs_avx512, needs_alignment;
} passes[] = {
    {"z64", z64, 1, 0},   {"z128", z128, 1, 0}, {"z256", z256, 1, 0},
    {"z512", z512, 1, 0}, {"s256", s256, 1, 1}, {"y32", y32, 0, 0},
    {"y64", y64, 0, 0},   {"y128", y128, 0, 0}, {"y256", y256, 0, 0},
};

static Pass *find_pass(const Request *r)
{
    if (strcmp(r->op, "plain") == 0)
        return __builtin_cpu_supports("avx512f") ? plain512
               : __builtin_cpu_supports("avx2")  ? plain256
                                                 : NULL;
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        if (strcmp(r->op, passes[i].name) != 0) continue;
        int able = passes[i].needs_avx512 ? __builtin_cpu_supports("avx512f")
                                          : __builtin_cpu_supports("avx2");
        int fits = !passes[i].needs_alignment || r->size % sizeof(__m512i) == 0;
        return able && fits ? passes[i].pass : NULL;
    }
    return NULL;
}

#else

/* Elsewhere the compiler makes what vectors there are out of the plain loop. */
static void plain(size_t bytes, int k, int m, uint8_t **in, uint8_t **out)
{
    for (int i = 0; i < m; i++) memcpy(out[i], in[0], bytes);
    for (int i = 1; i < k; i++) {
        for (int j = 0; j < m; j++) {
            uint8_t *restrict sum = out[j];
            const uint8_t *restrict shard = in[i];
            for (size_t at = 0; at < bytes; at++) sum[at] ^= shard[at];
        }
    }
}

static Pass *find_pass(const Request *r)
{
    return strcmp(r->op, "plain") == 0 ? plain : NULL;
}

#endif

static int is_xor(const Request *r)
{
    for (size_t at = 0; at < r->size; at++) {
        uint8_t sum = 0;
        for (int i = 0; i < r->k; i++) sum ^= shard(r, 0, i)[at];
        for (int i = 0; i < r->m; i++)
            if (shard(r, 0, r->k + i)[at] != sum) return 0;
    }
    return 1;
}

int main(void)
{
    Request r;
    while (next_request(&r)) {
        Timing t = {0, 1};
        const size_t bytes = (size_t)r.k * r.size;
        Pass *pass = find_pass(&r);
        int ok = 1;
        if (strcmp(r.op, "memcpy") == 0) {
            TIMED(r, t, memcpy(shard(&r, stripe, r.k + r.m), shard(&r, stripe, 0), bytes));
            ok = memcmp(shard(&r, 0, r.k + r.m), shard(&r, 0, 0), bytes) == 0;
        } else if (pass != NULL) {
            uint8_t *in[SHARDS_MAX], *out[SHARDS_MAX];
            TIMED(r, t, {
                for (int i = 0; i < r.k; i++) in[i] = shard(&r, stripe, i);
                for (int i = 0; i < r.m; i++) out[i] = shard(&r, stripe, r.k + i);
                pass(r.size, r.k, r.m, in, out);
            });
            ok = is_xor(&r);
        }
        answer(t, bytes, ok);
    }
    return 0;
}
