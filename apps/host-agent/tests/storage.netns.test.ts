import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type PurlinError, run } from '@purlin/base'
import { readManifest } from '@purlin/sdk'
import test from 'ava'
import { removeFolder, startAgent } from './start-agent.ts'
import { startBlockDaemon } from './start-blockd.ts'

const EXAMPLE = new URL('../../../examples/storage-one-host.yaml', import.meta.url).pathname
const WAIT = { deadlineMs: 120_000 }
const MIB = 2 ** 20

test.serial(
  'one host’s storage: applied, served, grown, limited, rolled back, flattened, refused with dependents, kept while the agent is killed, deleted',
  async (t) => {
    const daemon = await startBlockDaemon()
    const options = { configuration: daemon.configuration }
    let agent = await startAgent(options)
    t.teardown(async () => {
      await agent.stop()
      await daemon.stop()
      await removeFolder(agent)
      await rm(daemon.folder, { recursive: true, force: true })
    })
    const { documents } = readManifest(await readFile(EXAMPLE, 'utf8'), EXAMPLE)
    const applied = await agent.client.apply(documents.map(({ value }) => value))
    t.is((await applied.wait(WAIT)).state, 'succeeded', agent.output())

    const uri = (volume: string): string =>
      `nbd+unix:///${volume}?socket=${join(daemon.sockets, `${volume}.sock`)}`
    const size = async (volume: string): Promise<number> => {
      const { stdout } = await run('nbdinfo', ['--size', uri(volume)], { timeoutMs: 20_000 })
      return Number(stdout)
    }
    for (const volume of ['vol-a', 'vol-b', 'vol-c']) t.is(await size(volume), 4096 * MIB)
    await io(uri('vol-a'), 'write -P 0x5a 1M 1M')
    await io(uri('vol-a'), 'read -P 0x5a 1M 1M')
    await io(uri('vol-c'), 'read -P 0 1M 1M')

    const pool = await agent.client.storagePools.get('bulk')
    t.is(pool.status.conditions[0]?.reason, 'Served')
    t.is(pool.status.policy, '4+2:1')
    t.is((pool.status.disks as unknown[]).length, 6)
    const snapshot = await agent.client.snapshots.get('vol-a-monday')
    t.is(snapshot.status.parent, 'vol-a')

    const taken = await agent.client.apply([
      { kind: 'Snapshot', name: 'vol-a-tuesday', spec: { volume: 'vol-a' } },
      {
        kind: 'Volume',
        name: 'vol-a',
        spec: { pool: 'bulk', sizeGiB: 5, qos: { iops: 100 } },
      },
      {
        kind: 'Volume',
        name: 'vol-d',
        spec: { pool: 'bulk', source: { snapshot: 'vol-a-tuesday', clone: 'linked' } },
      },
    ])
    t.is((await taken.wait(WAIT)).state, 'succeeded', agent.output())
    t.is(await size('vol-a'), 5120 * MIB)
    t.deepEqual((await agent.client.volumes.get('vol-a')).status.limits, { iops: 100 })
    await io(uri('vol-d'), 'read -P 0x5a 1M 1M')

    const refused = await t.throwsAsync(agent.client.snapshots.delete('vol-a-tuesday'))
    t.is((refused as PurlinError).code, 'PUR_RESOURCE_IN_USE')
    t.regex(refused?.message ?? '', /Volume vol-d/)

    const { volumes, snapshots } = agent.client
    const changed = await Array.fromAsync(snapshots.extents('vol-a-tuesday'))
    t.deepEqual(changed, [{ offset: MIB, length: MIB }])
    await io(uri('vol-a'), 'write -P 0x5b 2M 64k')
    t.deepEqual(await Array.fromAsync(volumes.extents('vol-a', { since: 'vol-a-tuesday' })), [
      { offset: 2 * MIB, length: 65_536 },
    ])
    t.deepEqual(await volumes.rollback('vol-a', 'vol-a-tuesday'), {
      ...{ volume: 'vol-a', snapshot: 'vol-a-tuesday' },
    })
    await io(uri('vol-a'), 'read -P 0 2M 64k')
    await io(uri('vol-a'), 'read -P 0x5a 1M 1M')
    const foreign = await t.throwsAsync(volumes.rollback('vol-b', 'vol-a-tuesday'))
    t.regex(foreign?.message ?? '', /no snapshot of volume vol-b/)
    const held = await t.throwsAsync(volumes.delete('vol-a'))
    t.regex(held?.message ?? '', /Snapshot vol-a-monday, Snapshot vol-a-tuesday/)

    const alone = { kind: 'Volume', name: 'vol-d', spec: { pool: 'bulk', sizeGiB: 5 } }
    const flat = await (await agent.client.apply([alone])).wait(WAIT)
    t.is(flat.state, 'succeeded', agent.output())
    t.is((await volumes.get('vol-d')).status.parent, undefined)
    await io(uri('vol-d'), 'read -P 0x5a 1M 1M')

    const before = await daemon.status()
    await agent.stop('SIGKILL')
    await io(uri('vol-a'), 'read -P 0x5a 1M 1M')
    agent = await startAgent({ ...options, folder: agent.folder })
    for (const [kind, name] of [
      ['snapshots', 'vol-a-tuesday'],
      ['volumes', 'vol-d'],
    ] as const) {
      const gone = await agent.client[kind].delete(name)
      t.is((await gone.wait(WAIT)).state, 'succeeded', agent.output())
    }
    await t.throwsAsync(size('vol-d'))
    t.is((await daemon.status()).process, before.process)
  },
)

async function io(uri: string, command: string): Promise<void> {
  const { stdout } = await run('qemu-io', ['-f', 'raw', '-c', command, uri], {
    timeoutMs: 60_000,
  })
  if (/failed|differ/i.test(stdout)) throw new Error(stdout)
}
