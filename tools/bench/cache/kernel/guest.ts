/** Measures in a guest of the kernel lab what each cache spares its disk; prints one JSON line a
 *  run: `node guest.ts OPTIONS-AS-JSON`. */
import { mkdir } from 'node:fs/promises'
import { type KernelOptions, kernelLoads, measurePeer } from './measure.ts'
import { output } from './peer.ts'

const CONFIGURATION = '/sys/kernel/config'
const { loads, peers, ...options } = JSON.parse(process.argv[2] ?? '{}') as KernelOptions

await output('modprobe', 'null_blk', 'nr_devices=0')
await mkdir(CONFIGURATION, { recursive: true })
await output('mount', '-t', 'configfs', 'configfs', CONFIGURATION).catch(() => undefined)
for (const load of loads) {
  for (const peer of peers) {
    // It caches no reads of what was not written.
    if (peer === 'dm-writecache' && load === 'read') continue
    const found = await measurePeer(peer, kernelLoads[load], options)
    process.stdout.write(`${JSON.stringify(found)}\n`)
  }
}
