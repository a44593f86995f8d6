import { type ErrorCode, PurlinError } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { decodeSuperblock, encodeSuperblock, type SuperblockFields } from './index.ts'

const COPY_SIZE_BYTES = 4096

const fields: SuperblockFields = {
  cacheId: '00112233-4455-6677-8899-aabbccddeeff',
  generation: 3n,
  deviceSizeBytes: 64n << 30n,
  lineSizeBytes: 16_384,
}

function refuses(
  t: ExecutionContext,
  code: ErrorCode,
  call: () => unknown,
  sentence: RegExp | string,
) {
  const error = t.throws(call, { instanceOf: PurlinError, message: sentence })
  t.is(error?.code, code)
}

/** The first copy of one region and the second of another. */
function mixed(first: Uint8Array, second: Uint8Array): Uint8Array {
  return Buffer.concat([first.subarray(0, COPY_SIZE_BYTES), second.subarray(COPY_SIZE_BYTES)])
}

test('the region is two copies of 4096 bytes that begin with PURLCACH', (t) => {
  const region = encodeSuperblock(fields)
  t.is(region.length, 2 * COPY_SIZE_BYTES)
  for (const start of [0, COPY_SIZE_BYTES]) {
    t.is(Buffer.from(region.subarray(start, start + 8)).toString('latin1'), 'PURLCACH')
  }
})

test('what is written is read back, whatever the fields', (t) => {
  const anyFields = fc.record({
    cacheId: fc.uuid(),
    generation: fc.bigInt(0n, 2n ** 64n - 1n),
    deviceSizeBytes: fc.bigInt(512n, 2n ** 51n).map((blocks) => blocks * 4096n),
    lineSizeBytes: fc.integer({ min: 12, max: 20 }).map((power) => 2 ** power),
  })
  fc.assert(
    fc.property(anyFields, (written) => {
      t.deepEqual(decodeSuperblock(encodeSuperblock(written)), { ...written, damagedCopy: null })
    }),
  )
})

test('one flipped bit costs one copy, and the reading names it', (t) => {
  const region = encodeSuperblock(fields)
  fc.assert(
    fc.property(fc.nat(region.length * 8 - 1), (bit) => {
      const damaged = Uint8Array.from(region)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const damagedCopy = bit >> 3 < COPY_SIZE_BYTES ? 'first' : 'second'
      t.deepEqual(decodeSuperblock(damaged), { ...fields, damagedCopy })
    }),
  )
})

test('the newer whole copy is taken, in either place', (t) => {
  const old = encodeSuperblock(fields)
  const young = encodeSuperblock({ ...fields, generation: 4n })
  t.is(decodeSuperblock(mixed(old, young)).generation, 4n)
  t.is(decodeSuperblock(mixed(young, old)).generation, 4n)
})

test('both copies lost is an error that says what is wrong with each', (t) => {
  const region = encodeSuperblock(fields)
  region.fill(0, 0, 8)
  region[5000] = 1
  const sentence = /first: no superblock: the magic is .*; second: the checksum is 0x/
  refuses(t, 'PUR_CACHE_SUPERBLOCK_LOST', () => decodeSuperblock(region), sentence)
  refuses(t, 'PUR_CACHE_SUPERBLOCK_LOST', () => decodeSuperblock(new Uint8Array(8192)), /first:/)
})

test('copies of one generation that differ are an error', (t) => {
  const other = encodeSuperblock({ ...fields, lineSizeBytes: 4096 })
  const region = mixed(encodeSuperblock(fields), other)
  refuses(t, 'PUR_CACHE_SUPERBLOCK_LOST', () => decodeSuperblock(region), /generation 3 and they/)
})

test('a buffer of another length is an error', (t) => {
  for (const length of [0, 4096, 8191, 8193]) {
    const call = () => decodeSuperblock(new Uint8Array(length))
    refuses(t, 'PUR_CACHE_INVALID', call, new RegExp(`^${length} bytes are no superblock`))
  }
})

test('memory shared with other threads is refused', (t) => {
  const shared = new Uint8Array(new SharedArrayBuffer(8192))
  refuses(t, 'PUR_CACHE_INVALID', () => decodeSuperblock(shared), /shared/)
})

for (const [wrong, sentence] of [
  [{ cacheId: 'cache-1' }, /"cache-1" is no cache id/],
  [{ generation: -1n }, /generation must be from 0/],
  [{ generation: 2n ** 64n }, /generation must be from 0/],
  [{ deviceSizeBytes: 4096n }, /device of 4096 bytes/],
  [{ deviceSizeBytes: -4096n }, /deviceSizeBytes must be from 0/],
  [{ lineSizeBytes: 12_288 }, /line of 12288 bytes/],
  [{ lineSizeBytes: 4096.5 }, /lineSizeBytes is 4096.5/],
  [{ lineSizeBytes: 2 ** 32 + 4096 }, /lineSizeBytes is 4294971392/],
] as const) {
  test(`no superblock is written with ${Object.entries(wrong)}`, (t) => {
    refuses(t, 'PUR_CACHE_INVALID', () => encodeSuperblock({ ...fields, ...wrong }), sentence)
  })
}
