/** Worker: @ronomon/reed-solomon, one call in flight. It speaks the line protocol of ../c/line.h;
 *  operations: enc, dec, rep. Its work is done by libuv's threads, so the CPU time is that of the
 *  whole process. Shards must be a multiple of 8 bytes long. */
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

interface ReedSolomon {
  create(k: number, m: number): Buffer
  encode(
    context: Buffer,
    sources: number,
    targets: number,
    data: Buffer,
    dataOffset: number,
    dataSize: number,
    parity: Buffer,
    parityOffset: number,
    paritySize: number,
    end: (error?: Error) => void,
  ): void
}

const library = createRequire(import.meta.url)('@ronomon/reed-solomon') as ReedSolomon
const OPERATIONS = ['enc', 'dec', 'rep']
const SHARDS_MAX = 24
const CALLS_BETWEEN_CLOCKS = 8

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await measure(line))}\n`)
}

async function measure(line: string) {
  const [operation = '', ...words] = line.split(' ')
  const [k = 0, m = 0, size = 0, stripes = 1, ms = 0] = words.map(Number)
  const bytes = k * size
  if (!OPERATIONS.includes(operation) || size % 8 !== 0 || k + m > SHARDS_MAX) {
    return { iters: 0, bytes, ns: 1, ok: true }
  }
  const context = library.create(k, m)
  const ring = Array.from({ length: stripes }, (_, number) => newStripe(k, m, size, number))
  const call = (stripe: Stripe, sources: number, targets: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const { data, parity } = stripe
      const end = (error?: Error) => (error ? reject(error) : resolve())
      library.encode(context, sources, targets, data, 0, bytes, parity, 0, m * size, end)
    })
  const dataMask = 2 ** k - 1
  const parityMask = 2 ** (k + m) - 2 ** k
  for (const stripe of ring) await call(stripe, dataMask, parityMask)

  const lost = operation === 'rep' ? 1 : Math.min(k, m)
  const lostMask = 2 ** lost - 1
  const whole = Buffer.from(ring[0]?.all ?? [])
  let sources = dataMask
  let targets = parityMask
  if (operation !== 'enc') {
    sources = dataMask + parityMask - lostMask
    targets = lostMask
    for (const { data } of ring) data.fill(0, 0, lost * size)
  }
  let iters = 0
  let ns = 0
  const begunNs = cpuNs()
  while (ns < ms * 1e6) {
    for (let turn = 0; turn < CALLS_BETWEEN_CLOCKS; turn++) {
      const stripe = ring[iters++ % stripes]
      if (stripe !== undefined) await call(stripe, sources, targets)
    }
    ns = cpuNs() - begunNs
  }
  return { iters, bytes, ns, ok: ring[0]?.all.equals(whole) ?? false }
}

interface Stripe {
  readonly all: Buffer
  readonly data: Buffer
  readonly parity: Buffer
}

function newStripe(k: number, m: number, size: number, number: number): Stripe {
  const all = Buffer.alloc((k + m) * size)
  for (let at = 0; at < k * size; at += 4) {
    all.writeUInt32LE(Math.imul(at + number + 1, 2_654_435_761) >>> 0, at)
  }
  return { all, data: all.subarray(0, k * size), parity: all.subarray(k * size) }
}

function cpuNs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}
