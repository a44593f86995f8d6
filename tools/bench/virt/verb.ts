import { PurlinError } from '@purlin/base'

type Part = (words: readonly string[], signal: AbortSignal) => Promise<number>

/** The parts of the benchmark; each is read only when it is asked for. */
const parts: Readonly<Record<string, () => Promise<Part>>> = {
  observe: async () => (await import('./observe.ts')).runObserveBench,
}

/** `./purlin bench virt PART …`: machines on libvirt, against virsh. Errors: PUR_INVALID for a part
 *  that is none. */
export async function runVirtBench(words: readonly string[], signal: AbortSignal): Promise<number> {
  const [name = '', ...rest] = words
  const found = Object.hasOwn(parts, name) ? parts[name] : undefined
  if (found === undefined) {
    const known = Object.keys(parts).join(', ')
    throw new PurlinError('PUR_INVALID', {
      message: `bench virt ${name || 'what'}? there are: ${known}`,
      context: { usage: true },
    })
  }
  return await (await found())(rest, signal)
}
