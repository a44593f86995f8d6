import type { Progress } from '../../setup/progress.ts'
import { requestLine, type Shape, SIZES_BYTES } from './cases.ts'
import { type Job, measureJobs, type Reading } from './measure.ts'
import type { EcOptions } from './options.ts'
import type { Worker } from './worker.ts'

/** What calls from Node cost. Times are CPU time of the process in nanoseconds. */
export interface NodeFigures {
  /** 4+2, 4 KiB: the synchronous call over one contiguous stripe, against the same in Rust. */
  readonly call?: {
    readonly callNs: number
    readonly kernelNs: number
    readonly aboveKernelNs: number
  }
  /** 4+2, 64 KiB: a stripe of a batch, against the same batch in Rust. */
  readonly batch?: {
    readonly stripeNs: number
    readonly kernelNs: number
    readonly overKernel: number
  }
  /** The synchronous call against @ronomon/reed-solomon, encoding. */
  readonly peers: readonly (Shape & { readonly rate: number; readonly overRonomon: number })[]
  /** 4+2: what a call costs synchronously, awaited one by one, and with 16 in flight. */
  readonly async: readonly {
    readonly sizeBytes: number
    readonly syncNs: number
    readonly awaitedNs: number
    readonly queuedNs: number
  }[]
}

/** Stripes of a batch; and of the ring of asynchronous calls, of which as many are in flight at
 *  once, so that no two write the same stripe. */
const RING_STRIPES = 16
const COMPARED_BYTES: readonly number[] = [4096, 2 ** 20]
const CODE = { k: 4, m: 2 }

/** Measures the Node worker by turns with Purlin's own and with @ronomon's, where it is there. */
export async function measureNode(
  workers: { readonly node: Worker; readonly kernel: Worker; readonly ronomon?: Worker },
  { shapes, rounds, sliceMs }: EcOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<{ figures: NodeFigures; wrong: readonly string[] }> {
  const { node, kernel, ronomon } = workers
  return await progress.step('calls from Node', async (tell) => {
    const wrong: string[] = []
    const measure = async (what: string, jobs: readonly Job[]) => {
      tell(what)
      const readings = await measureJobs(jobs, rounds, signal)
      wrong.push(...readings.wrong)
      return readings.byKey
    }
    const job = (worker: Worker, operation: string, shape: Shape, stripes = 1): Job => {
      const line = requestLine(operation, shape, stripes, sliceMs)
      return { key: `${worker.name} ${operation}`, worker, line }
    }
    const small = { ...CODE, sizeBytes: 4096 }
    const one = await measure('4+2 4K call', [job(kernel, 'enc', small), job(node, 'sync', small)])
    const middle = { ...CODE, sizeBytes: 65_536 }
    const many = await measure('4+2 64K batch', [
      job(kernel, 'batch', middle, RING_STRIPES),
      job(node, 'batch', middle, RING_STRIPES),
    ])
    const peers: NodeFigures['peers'][number][] = []
    for (const shape of shapes.filter(({ sizeBytes }) => COMPARED_BYTES.includes(sizeBytes))) {
      if (ronomon === undefined) break
      const jobs = [job(node, 'sync', shape), job(ronomon, 'enc', shape)]
      const byKey = await measure('beside @ronomon', jobs)
      const [ours, theirs] = [byKey[`${node.name} sync`], byKey[`${ronomon.name} enc`]]
      if (ours === undefined || theirs === undefined) continue
      peers.push({ ...shape, rate: ours.rate, overRonomon: ours.rate / theirs.rate })
    }
    const async: NodeFigures['async'][number][] = []
    for (const sizeBytes of SIZES_BYTES) {
      const shape = { ...CODE, sizeBytes }
      const forms = ['sync', 'awaited', 'queued']
      const byKey = await measure(
        'asynchronous calls',
        forms.map((form) => job(node, form, shape, RING_STRIPES)),
      )
      const nsOf = (form: string) => byKey[`${node.name} ${form}`]?.callNs ?? Number.NaN
      async.push({
        sizeBytes,
        syncNs: nsOf('sync'),
        awaitedNs: nsOf('awaited'),
        queuedNs: nsOf('queued'),
      })
    }
    const call = pair(one, `${node.name} sync`, `${kernel.name} enc`)
    const batch = pair(many, `${node.name} batch`, `${kernel.name} batch`)
    const figures: NodeFigures = {
      ...(call && {
        call: { callNs: call.ours, kernelNs: call.kernel, aboveKernelNs: call.ours - call.kernel },
      }),
      ...(batch && {
        batch: {
          stripeNs: batch.ours,
          kernelNs: batch.kernel,
          overKernel: batch.ours / batch.kernel,
        },
      }),
      peers,
      async,
    }
    tell('done')
    return { figures, wrong }
  })
}

function pair(byKey: Readonly<Record<string, Reading>>, ours: string, kernel: string) {
  const [a, b] = [byKey[ours]?.callNs, byKey[kernel]?.callNs]
  return a === undefined || b === undefined ? undefined : { ours: a, kernel: b }
}
