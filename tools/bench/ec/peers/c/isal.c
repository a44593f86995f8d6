/* Worker: ISA-L of the system's library, Cauchy matrix. Operations: enc, dec, rep, upd. `upd` is
 * given the difference of the old and the new shard, as the library asks for it. */
#include "line.h"
#include <isa-l.h>

enum { TABLE_BYTES = 32 };

static uint8_t matrix[SHARDS_MAX * SHARDS_MAX], inverse[SHARDS_MAX * SHARDS_MAX];
static uint8_t survivor_rows[SHARDS_MAX * SHARDS_MAX];
static uint8_t encode_tables[TABLE_BYTES * SHARDS_MAX * SHARDS_MAX];
static uint8_t decode_tables[TABLE_BYTES * SHARDS_MAX * SHARDS_MAX];

/* Tables that rebuild data shards 0..lost-1 from the k shards that follow them. */
static int plan(const Request *r, int lost)
{
    memcpy(survivor_rows, matrix + lost * r->k, (size_t)r->k * (size_t)r->k);
    if (gf_invert_matrix(survivor_rows, inverse, r->k) < 0) return 0;
    ec_init_tables(r->k, lost, inverse, decode_tables);
    return 1;
}

static void encode(const Request *r, int stripe)
{
    uint8_t *in[SHARDS_MAX], *out[SHARDS_MAX];
    for (int i = 0; i < r->k; i++) in[i] = shard(r, stripe, i);
    for (int i = 0; i < r->m; i++) out[i] = shard(r, stripe, r->k + i);
    ec_encode_data((int)r->size, r->k, r->m, encode_tables, in, out);
}

static void decode(const Request *r, int stripe, int lost)
{
    uint8_t *in[SHARDS_MAX], *out[SHARDS_MAX];
    for (int i = 0; i < r->k; i++) in[i] = shard(r, stripe, lost + i);
    for (int i = 0; i < lost; i++) out[i] = shard(r, stripe, r->k + r->m + i);
    ec_encode_data((int)r->size, r->k, lost, decode_tables, in, out);
}

static void update(const Request *r, int stripe)
{
    uint8_t *out[SHARDS_MAX];
    for (int i = 0; i < r->m; i++) out[i] = shard(r, stripe, r->k + i);
    ec_encode_data_update((int)r->size, r->k, r->m, r->k / 2, encode_tables,
                          shard(r, stripe, r->k + r->m), out);
}

int main(void)
{
    Request r;
    while (next_request(&r)) {
        const int n = r.k + r.m;
        Timing t = {0, 1};
        int ok = 1, lost = strcmp(r.op, "rep") == 0 ? 1 : r.m < r.k ? r.m : r.k;
        gf_gen_cauchy1_matrix(matrix, n, r.k);
        ec_init_tables(r.k, r.m, matrix + r.k * r.k, encode_tables);
        for (int s = 0; s < r.stripes; s++) encode(&r, s);
        if (strcmp(r.op, "enc") == 0) {
            TIMED(r, t, encode(&r, stripe));
        } else if (strcmp(r.op, "upd") == 0) {
            TIMED(r, t, update(&r, stripe));
        } else if (strcmp(r.op, "dec") == 0 || strcmp(r.op, "rep") == 0) {
            ok = plan(&r, lost);
            TIMED(r, t, decode(&r, stripe, lost));
            for (int i = 0; i < lost; i++)
                ok = ok && memcmp(shard(&r, 0, n + i), shard(&r, 0, i), r.size) == 0;
        }
        answer(t, strcmp(r.op, "upd") == 0 ? r.size : (size_t)r.k * r.size, ok);
    }
    return 0;
}
