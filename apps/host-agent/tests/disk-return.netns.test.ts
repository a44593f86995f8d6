import { access, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import test from 'ava'
import { removeFolder, startAgent } from './start-agent.ts'
import { startBlockDaemon } from './start-blockd.ts'

const WAIT = { deadlineMs: 120_000 }
const LIMIT_MS = 120_000
const MIB = 2 ** 20

const DOCUMENTS = [
  {
    kind: 'StoragePool',
    name: 'fast',
    spec: {
      redundancy: { replicas: 2 },
      disks: ['d0', 'd1'].map((name) => ({ name, path: `./${name}`, server: name, sizeGiB: 0.25 })),
    },
  },
  { kind: 'Volume', name: 'vol-a', spec: { pool: 'fast', sizeGiB: 1 / 16 } },
]

test.serial(
  'a disk that is away when the daemon starts is not made anew, is taken back when it reappears, and catches up by difference',
  async (t) => {
    const daemon = await startBlockDaemon()
    const agent = await startAgent({ configuration: daemon.configuration })
    t.teardown(async () => {
      await agent.stop()
      await daemon.stop()
      await removeFolder(agent)
      await rm(daemon.folder, { recursive: true, force: true })
    })
    const applied = await agent.client.apply(DOCUMENTS)
    t.is((await applied.wait(WAIT)).state, 'succeeded', agent.output())
    const socket = join(daemon.sockets, 'vol-a.sock')
    const io = async (...commands: string[]): Promise<void> => {
      const words = commands.flatMap((command) => ['-c', command])
      const uri = `nbd+unix:///vol-a?socket=${socket}`
      const { stdout } = await run('qemu-io', ['-f', 'raw', ...words, uri], { timeoutMs: 60_000 })
      if (/failed|differ/i.test(stdout)) throw new Error(stdout)
    }
    const ready = async (): Promise<string> => {
      const { conditions } = (await agent.client.storagePools.get('fast')).status
      return `${conditions[0]?.reason}: ${conditions[0]?.message}`
    }
    const [d0, d1] = [join(daemon.folder, 'd0'), join(daemon.folder, 'd1')]
    await io('write -P 0x11 0 32M', 'flush')

    await daemon.startAgain(async () => await rename(d1, `${d1}.away`))
    await until('it is said which disk is missing', async () => {
      return (await ready()) === 'Degraded: it serves while d1 is missing'
    })
    await t.throwsAsync(access(d1), undefined, 'no file was made in its place')
    await io('write -P 0x22 4M 1M', 'flush', 'read -P 0x11 8M 1M')

    await rename(`${d1}.away`, d1)
    await until('the pool is whole', async () => (await ready()).startsWith('Served'))
    await until('what it missed is rebuilt, so that either disk may go', async () => {
      const { placed, lostBytes, homelessBytes } = await agent.client.storagePools.explain('fast')
      const isSafe = placed.length > 0 && placed.every(({ tolerates }) => tolerates === 1)
      return isSafe && lostBytes + homelessBytes === 0
    })
    const { rebuiltBytes } = (await daemon.status()).pools[0]?.engine?.moving ?? {
      rebuiltBytes: Number.NaN,
    }
    t.true(rebuiltBytes < 16 * MIB, `${rebuiltBytes} bytes were rebuilt, and 32 MiB are stored`)

    // The one that was away has everything now.
    await daemon.startAgain(async () => await rename(d0, `${d0}.away`))
    await until('it serves without the other one', async () => {
      return (await ready()) === 'Degraded: it serves while d0 is missing'
    })
    await io('read -P 0x11 0 4M', 'read -P 0x22 4M 1M', 'read -P 0x11 5M 27M')
  },
)

async function until(what: string, met: () => Promise<boolean>): Promise<void> {
  const limitMs = systemClock.monotonicMs() + LIMIT_MS
  while (!(await met().catch(() => false))) {
    if (systemClock.monotonicMs() > limitMs) throw new Error(`not within ${LIMIT_MS} ms: ${what}`)
    await systemClock.sleep(50)
  }
}
