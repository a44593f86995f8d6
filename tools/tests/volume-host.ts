import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import { type CacheMode, callCache } from '@purlin/cache-native'
import { type Client, createClient } from '@purlin/sdk'
import { repository } from '../repository.ts'
import { agentConfiguration, agentSocket } from '../sandbox/agent.ts'
import { PrivateHost } from '../sandbox/host.ts'
import { startLibvirtd } from '../sandbox/libvirtd.ts'

const DAEMON = join(repository, 'target/release/purlin-blockd')
const NODE = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
const READY_LIMIT_MS = 120_000
const DISK_BYTES = 256 * 2 ** 20
export const MACHINE = 'db-1'

/** What a host with libvirt, an agent and a block daemon is to have. */
export interface VolumeHostOptions {
  readonly redundancy: object
  readonly diskCount: number
  /** How the machine has its volume; absent: over NBD. */
  readonly attach?: 'nbd' | 'vhost-user'
  /** Whether an SSD stands before the pool's disks, in writethrough at first. */
  readonly cached?: boolean
  /** Whether the machine has a second disk, on the volume `vol-b`. */
  readonly twoDisks?: boolean
}

/** A host whose one machine has a volume for its disk. */
export interface VolumeHost extends AsyncDisposable {
  readonly client: Client
  /** Where the block daemon serves volumes. */
  readonly sockets: string
  /** Applies the pool, the volume and the machine on it. */
  make(): Promise<void>
  startDaemon(): Promise<void>
  /** Starts a daemon that cannot serve; answers what it said at its end. */
  failingDaemon(): Promise<string>
  /** kill -9, until it is gone. */
  killDaemon(): Promise<void>
  /** kill -9 of the agent, and another one in its place. */
  killAgent(): Promise<void>
  /** kill -9 of the machine's process, until it is gone. */
  killMachine(): Promise<void>
  /** Starts a machine that has stopped; the guest answers when it is over. */
  startMachine(): Promise<void>
  /** Answered when the caches of the pool have this mode, with nothing left that it has not. */
  setCacheMode(mode: CacheMode): Promise<void>
  /** Another process of the daemon takes over. */
  upgradeDaemon(): Promise<void>
  /** Takes a disk's file away or gives it back; the daemon looks when it starts. */
  hideDisk(index: number): Promise<void>
  returnDisk(index: number): Promise<void>
  /** Loses all that is on a disk while the daemon has it open. */
  emptyDisk(index: number): Promise<void>
  /** Runs a script in the guest; answers what it printed. */
  guest(script: string): Promise<string>
  daemonStatus(): Promise<DaemonSight>
}

interface DaemonSight {
  readonly process: number
  readonly pools: readonly {
    readonly engine?: {
      readonly volumes: readonly { readonly name: string }[]
      readonly shortStripes: number
      readonly repairedChunks: number
      readonly disks: readonly { readonly state: string }[]
    }
  }[]
}

/** Starts the host; nothing is on it yet. */
export async function startVolumeHost(options: VolumeHostOptions): Promise<VolumeHost> {
  const folder = await mkdtemp('/tmp/vm-')
  const host = await PrivateHost.start({ name: 'volumes' })
  const children: ChildProcess[] = []
  const [sockets, config] = [join(folder, 's'), join(folder, 'pools.yaml')]
  const disks = Array.from({ length: options.diskCount }, (_, index) => join(folder, `d${index}`))
  for (const disk of disks) await lengthen(disk)
  await writeFile(config, '# none yet\n')
  await startLibvirtd(host)
  const words = ['serve', '--vhost', '--config', config, '--sockets', sockets]
  const verb = async (...more: string[]): Promise<string> =>
    (await run(DAEMON, [...more, '--sockets', sockets], { timeoutMs: 30_000 })).stdout
  const daemonStatus = async (): Promise<DaemonSight> => JSON.parse(await verb('status'))
  const startDaemon = async (): Promise<void> => {
    children.push(spawn(DAEMON, words, { stdio: ['ignore', 'inherit', 'inherit'] }))
    await eventually('the block daemon answers', async () => (await daemonStatus()).process > 0)
  }
  await startDaemon()
  const toml = `${agentConfiguration(host, { drift: 'repair' }).replace('"auto"', '"tcg"')}
[storage]
sockets = "${sockets}"
configuration = "${config}"
folder = "${folder}"
`
  const configuration = join(host.paths.agent, 'host-agent.toml')
  await writeFile(configuration, toml, { mode: 0o600 })
  const main = join(repository, 'apps/host-agent/src/main.ts')
  const client = createClient({ socketPath: agentSocket(host) })
  const startAgent = async (): Promise<ChildProcess> => {
    const words = [process.execPath, ...NODE, main, '--config', configuration]
    const started = host.spawn(words, 'agent')
    await eventually('the agent answers', async () => {
      return (await client.health({ deadlineMs: 1_000 })).status !== undefined
    })
    return started
  }
  let agent = await startAgent()
  const guest = async (script: string): Promise<string> => {
    const command = ['/bin/busybox', 'sh', '-c', script]
    const { exitCode, stdout, stderr } = await client.virtualMachines.exec(MACHINE, command)
    if (exitCode !== 0) throw new Error(`${script}: ${exitCode}: ${stdout}${stderr}`)
    return stdout
  }
  return {
    client,
    sockets,
    make: async () => {
      const made = await client.apply(documentsOf(options, disks, join(folder, 'ssd')))
      const { state } = await made.wait({ deadlineMs: 120_000 })
      if (state !== 'succeeded') throw new Error(`${state}: ${await agentLog(host)}`)
      await eventually('the guest answers', async () => (await guest('echo up')) === 'up\n')
      await eventually('it sees its disk', async () => (await guest('ls /dev/vda')) !== '')
    },
    startDaemon,
    failingDaemon: async () => {
      const options = { timeoutMs: 30_000, acceptedExitCodes: [1] }
      return (await run(DAEMON, words, options)).stderr
    },
    killDaemon: async () => {
      const { process: identifier } = await daemonStatus()
      process.kill(identifier, 'SIGKILL')
      await eventually('it is gone', async () => {
        return await daemonStatus().then(
          () => false,
          () => true,
        )
      })
    },
    killAgent: async () => {
      const ended = once(agent, 'exit')
      await host.run('pkill', ['--signal', 'KILL', '--full', 'apps/host-agent/src/main.ts'])
      await ended
      agent = await startAgent()
    },
    killMachine: async () => {
      const identifier = await machineProcess(folder)
      process.kill(identifier, 'SIGKILL')
      await eventually('the machine is gone', async () => {
        return await machineProcess(folder).then(
          () => false,
          () => true,
        )
      })
    },
    startMachine: async () => {
      await eventually('the machine is started', async () => {
        const started = await client.virtualMachines.start(MACHINE)
        return (await started.wait({ deadlineMs: READY_LIMIT_MS })).state === 'succeeded'
      })
      await eventually('the guest answers', async () => (await guest('echo up')) === 'up\n')
      await eventually('it sees its disk', async () => (await guest('ls /dev/vda')) !== '')
    },
    setCacheMode: async (mode) => {
      await callCache(sockets, 'cache-mode', { pool: 'fast', mode }, { deadlineMs: READY_LIMIT_MS })
    },
    upgradeDaemon: async () => {
      const before = await daemonStatus()
      await verb('upgrade')
      await eventually('another process serves', async () => {
        return (await daemonStatus()).process !== before.process
      })
    },
    hideDisk: async (index) => await rename(disks[index] ?? '', `${disks[index]}.away`),
    returnDisk: async (index) => await rename(`${disks[index]}.away`, disks[index] ?? ''),
    emptyDisk: async (index) => {
      const file = await open(disks[index] ?? '', 'r+')
      await file.truncate(0)
      await file.truncate(DISK_BYTES)
      await file.close()
    },
    guest,
    daemonStatus,
    [Symbol.asyncDispose]: async () => {
      await client.close()
      const last = await daemonStatus().catch(() => undefined)
      if (last !== undefined) process.kill(last.process, 'SIGKILL')
      for (const child of children) {
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      }
      await host.end()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Waits until something holds; a call that fails counts as not yet. */
export async function eventually(what: string, met: () => Promise<boolean>): Promise<void> {
  const limitMs = systemClock.monotonicMs() + READY_LIMIT_MS
  while (!(await met().catch(() => false))) {
    if (systemClock.monotonicMs() > limitMs)
      throw new Error(`not within ${READY_LIMIT_MS} ms: ${what}`)
    await systemClock.sleep(100)
  }
}

/** The process of the machine whose volume lies in `folder`. */
async function machineProcess(folder: string): Promise<number> {
  for (const name of await readdir('/proc')) {
    const words = await readFile(join('/proc', name, 'cmdline'), 'utf8').catch(() => '')
    if (/^[^\0]*qemu-system/.test(words) && words.includes(folder)) return Number(name)
  }
  throw new Error('no machine runs')
}

async function lengthen(path: string): Promise<void> {
  const file = await open(path, 'w')
  await file.truncate(DISK_BYTES)
  await file.close()
}

async function agentLog(host: PrivateHost): Promise<string> {
  return (await readFile(join(host.paths.log, 'agent.log'), 'utf8')).slice(-4_000)
}

function documentsOf(
  { redundancy, attach, cached, twoDisks }: VolumeHostOptions,
  disks: readonly string[],
  ssd: string,
): object[] {
  const servers = disks.map((_, index) => `s${index}`)
  const racks = [{ rack: 'k1', servers }]
  return [
    {
      kind: 'Topology',
      name: 'default',
      spec: { roots: [{ datacenter: 'dc1', rooms: [{ room: 'r1', racks }] }] },
    },
    {
      kind: 'StoragePool',
      name: 'fast',
      spec: {
        redundancy,
        faultDomain: 'server',
        disks: disks.map((path, index) => ({ name: `d${index}`, server: `s${index}`, path })),
        ...(cached === true && {
          cache: { devices: [{ name: 'ssd', path: ssd, sizeGiB: 1 / 16 }] },
        }),
      },
    },
    { kind: 'Volume', name: 'vol-a', spec: { pool: 'fast', sizeGiB: 1 / 16 } },
    ...(twoDisks
      ? [{ kind: 'Volume', name: 'vol-b', spec: { pool: 'fast', sizeGiB: 1 / 16 } }]
      : []),
    {
      kind: 'VirtualMachine',
      name: MACHINE,
      spec: {
        cpus: 1,
        memoryMiB: 128,
        image: 'probe',
        disks: [
          { name: 'root', volume: 'vol-a', ...(attach && { attach }) },
          ...(twoDisks ? [{ name: 'log', volume: 'vol-b' }] : []),
        ],
      },
    },
  ]
}

/** A writer in the guest: each round one of 64 places gets 64 KiB that only this round has, durable
 *  before they are read back past every cache. What is not as it was written is noted. */
export const WRITER = `cat >/tmp/writer <<'END'
i=0
while [ ! -e /tmp/stop ]; do
  i=$((i + 1)); at=$((i % 64))
  yes "round $i of the writer" | head -c 65536 >/tmp/block
  dd if=/tmp/block of=/dev/vda bs=65536 seek=$at conv=notrunc,fsync oflag=direct 2>/dev/null ||
    echo "round $i: not written" >>/tmp/wrong
  dd if=/dev/vda of=/tmp/back bs=65536 skip=$at count=1 iflag=direct 2>/dev/null ||
    echo "round $i: not read" >>/tmp/wrong
  cmp -s /tmp/block /tmp/back || echo "round $i: differs" >>/tmp/wrong
  echo $i >/tmp/round.new; mv /tmp/round.new /tmp/round
done
for round in $(seq $((i > 63 ? i - 63 : 1)) $i); do
  yes "round $round of the writer" | head -c 65536 >/tmp/block
  dd if=/dev/vda of=/tmp/back bs=65536 skip=$((round % 64)) count=1 iflag=direct 2>/dev/null
  cmp -s /tmp/block /tmp/back || echo "round $round: differs at the end" >>/tmp/wrong
done
echo "checked $i" >/tmp/ended
END
>/tmp/wrong; echo 0 >/tmp/round
sh /tmp/writer >/dev/null 2>&1 &`

/** Prints of each of the writer's 64 places which round it has, and whether it has all of it. */
export const PLACES = `for at in $(seq 0 63); do
  dd if=/dev/vda of=/tmp/back bs=65536 skip=$at count=1 iflag=direct 2>/dev/null
  round=$(head -n 1 /tmp/back | cut -d ' ' -f 2)
  yes "round $round of the writer" | head -c 65536 >/tmp/block
  if cmp -s /tmp/block /tmp/back; then echo "$at $round whole"; else echo "$at 0 torn"; fi
done`

/** Whoever has a guest that runs scripts. */
type Guest = Pick<VolumeHost, 'guest'>

/** How many rounds the writer has done. */
export async function rounds(host: Guest): Promise<number> {
  return Number(await host.guest('cat /tmp/round'))
}

/** Waits until the writer has done `more` rounds than now. */
export async function goesOn(host: Guest, what: string, more = 3): Promise<void> {
  let first: number | undefined
  await eventually(`the guest writes on ${what}`, async () => {
    const now = await rounds(host)
    first ??= now
    return now >= first + more
  })
}

/** Ends the writer; answers what it found wrong, and how many rounds it did. */
export async function endWriter(
  host: Guest,
): Promise<{ readonly wrong: string; readonly rounds: number }> {
  await host.guest('touch /tmp/stop')
  await eventually('the writer ends', async () => (await host.guest('cat /tmp/ended')) !== '')
  return { wrong: await host.guest('cat /tmp/wrong'), rounds: await rounds(host) }
}
