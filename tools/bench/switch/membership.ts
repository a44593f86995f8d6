import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { PurlinError, systemClock } from '@purlin/base'
import { FleetRig } from '../../test/fleet/rig.ts'
import { type Summary, summarize } from '../quantile.ts'

const ADDRESS = '10.0.0.13'
const LIMIT_MS = 10_000
const PAUSE_MS = 20
const QUIET_MS = 300

const machine = (name: string, host: string, last: number, groups: readonly string[]) => ({
  kind: 'VirtualMachine',
  name,
  spec: {
    ...{ cpus: 1, memoryMiB: 64, image: 'probe', host },
    nics: [
      {
        ...{ name: 'eth0', portGroup: 'prod', addresses: [`10.0.0.${last}`] },
        securityGroups: [...groups],
      },
    ],
  },
})

/** Milliseconds from the call by which a machine joins or leaves a group, on one host, to the
 *  moment at which the kernel of another host has it in its rules; the store is an etcd of
 *  three. */
export async function measureMembership(changes: number): Promise<Summary> {
  await using rig = await FleetRig.start({ hosts: 2, members: 3 })
  await rig.startAgents()
  const [a, b] = [rig.host(0), rig.host(1)]
  const rule = { family: 'ipv4', protocol: 'tcp', ports: ['80'], source: { groups: ['web'] } }
  await a.client.apply([
    { kind: 'DistributedSwitch', name: 'dvs0', spec: {} },
    {
      kind: 'PortGroup',
      name: 'prod',
      spec: { switch: 'dvs0', subnets: [{ cidr: '10.0.0.0/24' }] },
    },
    { kind: 'SecurityGroup', name: 'web', spec: { inbound: [{ ...rule, action: 'allow' }] } },
    { kind: 'SecurityGroup', name: 'other', spec: { inbound: [] } },
    machine('server', 'host-b', 11, ['web']),
    machine('client', 'host-a', 13, ['other']),
  ])
  const limitMs = systemClock.monotonicMs() + LIMIT_MS
  while (!(await b.rules()).includes('server.eth0')) {
    if (systemClock.monotonicMs() > limitMs) throw late('the rules of the other host')
    await systemClock.sleep(PAUSE_MS)
  }
  const [program, ...args] = b.enter(['/usr/sbin/nft', 'monitor'])
  const monitor = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const heard = listenFor(monitor)
  try {
    await systemClock.sleep(500)
    const tookMs: number[] = []
    for (let change = 0; change < changes; change++) {
      const groups = change % 2 === 0 ? ['web'] : ['other']
      const startMs = systemClock.monotonicMs()
      const enforced = heard()
      await a.client.apply([machine('client', 'host-a', 13, groups)])
      tookMs.push((await enforced) - startMs)
    }
    return summarize(tookMs)
  } finally {
    monitor.kill('SIGKILL')
  }
}

/** Answers, for each call, the moment of the last line that names the address before none came for
 *  a while: a change comes in several transactions, and holds when the last is there. */
function listenFor(monitor: ChildProcess): () => Promise<number> {
  let lastMs: number | undefined
  if (monitor.stdout !== null) {
    createInterface(monitor.stdout).on('line', (line) => {
      if (line.includes(ADDRESS)) lastMs = systemClock.monotonicMs()
    })
  }
  return async () => {
    lastMs = undefined
    const limitMs = systemClock.monotonicMs() + LIMIT_MS
    for (;;) {
      const nowMs = systemClock.monotonicMs()
      if (lastMs !== undefined && nowMs - lastMs > QUIET_MS) return lastMs
      if (nowMs > limitMs) throw late('a change of members on the other host')
      await systemClock.sleep(PAUSE_MS)
    }
  }
}

function late(what: string): PurlinError {
  return new PurlinError('PUR_DEADLINE_PASSED', { message: `${what}: not within ${LIMIT_MS} ms` })
}
