import { PurlinError } from '@purlin/base'

type Benchmark = (words: readonly string[], signal: AbortSignal) => Promise<number>

/** Every benchmark; each is read only when it is asked for. */
const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
  agent: async () => (await import('../bench/agent-verb.ts')).runAgentBench,
  baremetal: async () => (await import('../bench/baremetal/verb.ts')).runBaremetalBench,
  block: async () => (await import('../bench/block/verb.ts')).runBlockBench,
  cache: async () => (await import('../bench/cache/verb.ts')).runCacheBench,
  ec: async () => (await import('../bench/ec/verb.ts')).runBenchEc,
  netfilter: async () => (await import('../bench/netfilter/verb.ts')).runNetfilterBench,
  switch: async () => (await import('../bench/switch/verb.ts')).runSwitchBench,
  services: async () => (await import('../bench/services/verb.ts')).runServicesBench,
  virt: async () => (await import('../bench/virt/verb.ts')).runVirtBench,
}

/** `./purlin bench NAME …`. Errors: PUR_INVALID for a name that is none. */
export async function runBench(words: readonly string[], signal: AbortSignal): Promise<number> {
  const [name = '', ...rest] = words
  const found = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined
  if (found === undefined) {
    const known = Object.keys(benchmarks).join(', ')
    throw new PurlinError('PUR_INVALID', {
      message: `bench ${name || 'what'}? there are: ${known}`,
      context: { usage: true },
    })
  }
  return await (await found())(rest, signal)
}
