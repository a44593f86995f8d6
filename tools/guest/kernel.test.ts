import { PurlinError } from '@purlin/base'
import test from 'ava'
import { kernelPayload } from './kernel.ts'

const LZ4_MAGIC = 0x184c_2102

/** A kernel image of `setupSectors` sectors and a payload 64 bytes behind them, as the boot
 *  protocol lays it out. */
function image(setupSectors: number, packed: Buffer): Buffer {
  const start = ((setupSectors || 4) + 1) * 512 + 64
  const bytes = Buffer.alloc(start + packed.length + 4 + 100)
  bytes.writeUInt8(setupSectors, 0x1f1)
  bytes.write('HdrS', 0x202, 'latin1')
  bytes.writeUInt32LE(64, 0x248)
  bytes.writeUInt32LE(packed.length + 4, 0x24c)
  packed.copy(bytes, start)
  return bytes
}

function packed(magic: number): Buffer {
  const bytes = Buffer.alloc(1000, 0x5a)
  bytes.writeUInt32LE(magic)
  return bytes
}

for (const setupSectors of [1, 39, 0]) {
  test(`the payload behind ${setupSectors || '4 unnamed'} setup sectors is cut out`, (t) => {
    const payload = packed(LZ4_MAGIC)
    t.deepEqual(kernelPayload(image(setupSectors, payload), 'vmlinuz'), payload)
  })
}

test('the payload of a kernel packed by xz is cut out too', (t) => {
  const payload = packed(LZ4_MAGIC)
  Buffer.from('fd377a585a00', 'hex').copy(payload)
  t.deepEqual(kernelPayload(image(39, payload), 'vmlinuz'), payload)
})

for (const [what, bytes, sentence] of [
  ['a short file', Buffer.alloc(100), /^vmlinuz: .*: it has no boot header$/],
  ['a file without the header', Buffer.alloc(5000), /it has no boot header$/],
  ['a file cut off', image(1, packed(LZ4_MAGIC)).subarray(0, 1200), /lies outside of it$/],
  [
    'a kernel packed by gzip',
    image(1, packed(0x0008_8b1f)),
    /it is packed neither by lz4 nor by xz$/,
  ],
] as const) {
  test(`${what} is refused with what was found`, (t) => {
    const error = t.throws(() => kernelPayload(bytes, 'vmlinuz'), {
      instanceOf: PurlinError,
      message: sentence,
    })
    t.is(error?.code, 'PUR_INVALID')
  })
}
