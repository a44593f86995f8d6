import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import { portGroup } from '@purlin/schema'
import test from 'ava'
import { repository } from '../repository.ts'
import { chooseClientAddresses } from '../sandbox/client-addresses.ts'
import { askFromClient, describeClient, plugClient, serveInClient } from '../sandbox/clients.ts'
import { PrivateHost } from '../sandbox/host.ts'
import { libvirtUri, startLibvirtd } from '../sandbox/libvirtd.ts'
import { NFT } from '../sandbox/nft.ts'
import { removeStateFolder } from '../sandbox/state-folder.ts'
import { startSwitch, switchControl } from '../sandbox/switch.ts'
import { findTraces, newTraces } from '../sandbox/traces.ts'

const END_LIMIT_MS = 10_000

test('a host that ends leaves nothing on the machine', async (t) => {
  const before = await findTraces()
  const host = await PrivateHost.start({ name: 'short' })
  t.not(Object.keys(newTraces(before, await findTraces())).length, 0, 'the look sees a living host')
  await Promise.all([startSwitch(host), startLibvirtd(host)])
  await host.run('ip', ['netns', 'add', 'inner'])
  await host.run('ip', ['link', 'add', 'left0', 'type', 'bridge'])
  await host.run(NFT, ['add', 'table', 'inet', 'left'])
  const uri = libvirtUri(host)
  const { stdout } = await host.run('virsh', ['--connect', uri, 'uri'])
  t.is(stdout.trim(), uri)
  await host.end()
  t.false(host.alive)
  await host.end()
  t.deepEqual(newTraces(before, await findTraces()), {})
})

test('kill -9 of the launcher ends its host; only the state folder stays, for the next one to remove', async (t) => {
  const before = await findTraces()
  const folder = await killLauncher()
  const left = await tracesAfter(before, (traces) => traces.processes === undefined)
  t.deepEqual(left, { stateFolders: [folder.replace('/tmp/', '')] })
  await removeStateFolder(folder)
  t.deepEqual(newTraces(before, await findTraces()), {})
})

test('a lock is held by one living host, and free when its launcher was killed', async (t) => {
  const folder = await mkdtemp('/tmp/lock-test-')
  const lockFile = join(folder, 'lock')
  await writeFile(lockFile, '')
  const host = await PrivateHost.start({ name: 'first', lockFile })
  await t.throwsAsync(PrivateHost.start({ name: 'second', lockFile }), {
    code: 'PUR_SANDBOX_BUSY',
  })
  await host.end()
  const left = await killLauncher(lockFile)
  const next = await startWhenFree(lockFile)
  t.true(next.alive)
  await next.end()
  await removeStateFolder(left)
  await rm(folder, { recursive: true })
})

test('two clients of a port group reach each other through the switch, by both families', async (t) => {
  const prod = portGroup.parse({
    kind: 'PortGroup',
    name: 'prod',
    spec: {
      switch: 'dvs0',
      vlan: 100,
      subnets: [{ cidr: '10.77.0.0/24' }, { cidr: 'fd77::/64' }],
    },
  })
  const host = await PrivateHost.start({ name: 'clients' })
  try {
    await startSwitch(host)
    await switchControl(host, [...'add-br dvs0 -- set bridge dvs0 datapath_type=netdev'.split(' ')])
    const [first, second] = chooseClientAddresses(prod.spec, [], []).map((addresses, index) =>
      describeClient('prod', index, addresses),
    )
    if (first === undefined || second === undefined) return t.fail('no clients')
    for (const client of [first, second]) await plugClient(host, client, prod)
    serveInClient(host, second, [80], [53])
    const lines = [
      'web4 tcp 10.77.0.1 80',
      'web6 tcp fd77::1 80',
      'dns6 udp fd77::1 53',
      'ping4 icmp 10.77.0.1 0',
      'other4 tcp 10.77.0.1 81',
    ]
    const answers = await askFromClient(host, first, 2_000, `${lines.join('\n')}\n`)
    const said = answers.split('\n').map((line) => line.split(' ').slice(0, 2).join(' '))
    t.deepEqual(said.slice(0, 5), ['web4 yes', 'web6 yes', 'dns6 yes', 'ping4 yes', 'other4 no'])
  } finally {
    await host.end()
  }
})

test('a disk without room is one sentence, and nothing starts', async (t) => {
  const script = join(import.meta.dirname, 'launch-host.ts')
  // The clone stays where it is, also when that is below /tmp.
  const mount = [
    'mount -n --rbind "$0" /mnt',
    'mount -n -t tmpfs -o size=1m tmpfs /tmp',
    'mkdir -p "$0"',
    'mount -n --rbind /mnt "$0"',
    'exec "$@"',
  ].join(' && ')
  const start = [process.execPath, '--conditions=purlin-source', script]
  const words = ['--mount', '--propagation', 'private', 'bash', '-c', mount, repository, ...start]
  const error = await t.throwsAsync(run('unshare', words, { timeoutMs: END_LIMIT_MS }))
  t.regex(
    error?.message ?? '',
    /\/tmp has [01] MiB of free space, and a sandbox needs 64 MiB: free/,
  )
})

/** Starts a launcher in a process of its own, kills it with -9 and gives its host's folder. */
async function killLauncher(lockFile?: string): Promise<string> {
  const script = join(import.meta.dirname, 'launch-host.ts')
  const args = ['--conditions=purlin-source', script, ...(lockFile === undefined ? [] : [lockFile])]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [chunk] = (await once(child.stdout, 'readable').then(() => [child.stdout.read()])) as [
    Buffer,
  ]
  child.kill('SIGKILL')
  await once(child, 'exit')
  return chunk.toString().trim()
}

async function tracesAfter(
  before: Awaited<ReturnType<typeof findTraces>>,
  done: (traces: Awaited<ReturnType<typeof findTraces>>) => boolean,
): Promise<unknown> {
  const limit = systemClock.monotonicMs() + END_LIMIT_MS
  for (;;) {
    const left = newTraces(before, await findTraces())
    if (done(left) || systemClock.monotonicMs() > limit) return left
    await systemClock.sleep(50)
  }
}

async function startWhenFree(lockFile: string): Promise<PrivateHost> {
  const limit = systemClock.monotonicMs() + END_LIMIT_MS
  for (;;) {
    try {
      return await PrivateHost.start({ name: 'next', lockFile })
    } catch (thrown) {
      if (systemClock.monotonicMs() > limit) throw thrown
      await systemClock.sleep(50)
    }
  }
}
