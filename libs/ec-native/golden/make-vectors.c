/* Writes golden vectors of Reed-Solomon parity, made by ISA-L as Debian ships it:
 *
 *   gcc -O2 -o make-vectors make-vectors.c -lisal && ./make-vectors > vectors.txt
 *
 * A line is: technique k m shard_bytes seed crc32c_of_parity_0 ... crc32c_of_parity_m-1
 * The bytes of data shard i are the little-endian 64-bit numbers of splitmix64, its state begun at
 * seed + i, cut to shard_bytes. CRC-32C is the one of RFC 3720, in eight hexadecimal digits.
 */
#include <isa-l.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARDS_MAX = 256, TABLE_BYTES = 32 };

/* Below this many bytes some of ISA-L's own kernels must not be called (erasure_code.h). */
enum { KERNEL_BYTES_MIN = 64 };

typedef struct {
    const char *technique;
    int k, m;
} Code;

/* Every policy of the reference (a folded one has the code of the plain one), then what lies at the
 * edges of the region in which the Vandermonde matrix is MDS, then the widest codes there are. */
static const Code common_codes[] = {
    {"reed_sol_van", 2, 1},  {"reed_sol_van", 4, 2},  {"reed_sol_van", 8, 3},
    {"reed_sol_van", 8, 2},  {"reed_sol_van", 16, 2}, {"reed_sol_van", 10, 4},
    {"reed_sol_van", 1, 1},  {"reed_sol_van", 1, 2},  {"reed_sol_van", 3, 3},
    {"reed_sol_van", 5, 2},  {"reed_sol_van", 12, 4}, {"reed_sol_van", 21, 4},
    {"reed_sol_van", 5, 5},  {"reed_sol_van", 4, 6},  {"reed_sol_van", 32, 3},
    {"cauchy", 2, 1},        {"cauchy", 4, 2},        {"cauchy", 8, 3},
    {"cauchy", 8, 2},        {"cauchy", 16, 2},       {"cauchy", 10, 4},
    {"cauchy", 1, 1},        {"cauchy", 1, 4},        {"cauchy", 5, 5},
    {"cauchy", 6, 5},        {"cauchy", 22, 4},       {"cauchy", 20, 6},
    {"cauchy", 32, 8},
};
static const int common_bytes[] = {1, 31, 64, 65, 255, 4096, 4109};

static const Code wide_codes[] = {
    {"cauchy", 255, 1}, {"cauchy", 252, 4}, {"cauchy", 128, 128},
    {"cauchy", 4, 252}, {"cauchy", 1, 255}, {"reed_sol_van", 253, 3},
};
static const int wide_bytes[] = {1, 65, 4109};

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void fill(uint8_t *shard, size_t bytes, uint64_t seed)
{
    uint64_t state = seed;
    for (size_t at = 0; at < bytes; at += 8) {
        uint64_t word = splitmix64(&state);
        for (size_t i = 0; i < 8 && at + i < bytes; i++)
            shard[at + i] = (uint8_t)(word >> (8 * i));
    }
}

static void *allocate(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes) != 0) {
        fprintf(stderr, "make-vectors: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return memory;
}

static void write_line(Code code, int bytes, uint64_t seed)
{
    const int k = code.k, m = code.m, n = k + m;
    uint8_t *matrix = allocate((size_t)n * k);
    uint8_t *tables = allocate((size_t)TABLE_BYTES * k * m);
    uint8_t *stripe = allocate((size_t)n * bytes);
    uint8_t *shards[SHARDS_MAX];

    for (int i = 0; i < n; i++) shards[i] = stripe + (size_t)i * bytes;
    for (int i = 0; i < k; i++) fill(shards[i], bytes, seed + i);
    if (strcmp(code.technique, "cauchy") == 0)
        gf_gen_cauchy1_matrix(matrix, n, k);
    else
        gf_gen_rs_matrix(matrix, n, k);
    ec_init_tables(k, m, matrix + (size_t)k * k, tables);
    if (bytes < KERNEL_BYTES_MIN)
        ec_encode_data_base(bytes, k, m, tables, shards, shards + k);
    else
        ec_encode_data(bytes, k, m, tables, shards, shards + k);

    printf("%s %d %d %d %llu", code.technique, k, m, bytes, (unsigned long long)seed);
    for (int i = k; i < n; i++) printf(" %08x", ~crc32_iscsi(shards[i], bytes, ~0u));
    printf("\n");
    free(matrix);
    free(tables);
    free(stripe);
}

int main(void)
{
    uint64_t seed = 1;
    for (size_t c = 0; c < sizeof common_codes / sizeof *common_codes; c++)
        for (size_t b = 0; b < sizeof common_bytes / sizeof *common_bytes; b++, seed += 1000)
            write_line(common_codes[c], common_bytes[b], seed);
    for (size_t c = 0; c < sizeof wide_codes / sizeof *wide_codes; c++)
        for (size_t b = 0; b < sizeof wide_bytes / sizeof *wide_bytes; b++, seed += 1000)
            write_line(wide_codes[c], wide_bytes[b], seed);
    return 0;
}
