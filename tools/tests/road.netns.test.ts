import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@purlin/base'
import test from 'ava'
import { removeStateFolder } from '../sandbox/state-folder.ts'
import { findTraces, newTraces, type Traces } from '../sandbox/traces.ts'
import { makeDoor } from './road.ts'

const STAYING = 'The API answers on'
const UP_TIMEOUT_MS = 120_000
const END_LIMIT_MS = 10_000

interface Report {
  readonly differing: number
  readonly cells: readonly { readonly passes: boolean; readonly expected: boolean }[]
  readonly machines: readonly unknown[]
  readonly clients: readonly { readonly ipv4: string }[]
}

test.serial(
  'up --once: every measured verdict of the example is right, and nothing is left',
  async (t) => {
    const before = await findTraces()
    const door = await makeDoor()
    const { exitCode, stdout, stderr } = await door.open(['up', '--once', '-o', 'json']).exit
    t.is(exitCode, 0, stderr)
    const report = JSON.parse(stdout) as Report
    t.is(report.machines.length, 4)
    t.is(report.clients.length, 2)
    t.is(report.cells.length, 448)
    t.is(report.differing, 0)
    // A table of nothing but refusals would be right as well if nobody could speak at all.
    t.is(report.cells.filter(({ passes }) => passes).length, 230)
    t.deepEqual(newTraces(before, await findTraces()), {})
    await rm(door.runFolder, { recursive: true })
  },
)

test.serial(
  'up --once --sabotage: a verdict flipped in the kernel is seen, and the exit code is 1',
  async (t) => {
    const door = await makeDoor()
    const { exitCode, stdout } = await door.open(['up', '--once', '--sabotage', '-o', 'json']).exit
    t.is(exitCode, 1)
    const { cells } = JSON.parse(stdout) as Report
    const wrong = cells.filter(({ passes, expected }) => passes !== expected)
    t.is(wrong.length, 1)
    t.true(wrong[0]?.expected)
    await rm(door.runFolder, { recursive: true })
  },
)

const DIRECT = `kind: DistributedSwitch
name: dvs0
spec: {}
---
kind: PortGroup
name: web
spec:
  switch: dvs0
  vlan: 100
  subnets:
    - { cidr: 10.1.0.0/24, gateway: 10.1.0.1, dhcp: { from: 10.1.0.50, to: 10.1.0.99 } }
---
kind: SecurityGroup
name: web
spec:
  allowWithinGroup: false
  inbound:
    - { family: ipv4, protocol: tcp, ports: ['80'], source: { cidrs: [0.0.0.0/0] }, action: allow }
---
kind: VirtualMachine
name: web-1
spec:
  cpus: 1
  memoryMiB: 128
  image: probe
  nics: [{ name: eth0, portGroup: web, port: direct, securityGroups: [web] }]
---
kind: VirtualMachine
name: web-2
spec:
  cpus: 1
  memoryMiB: 128
  image: probe
  nics: [{ name: eth0, portGroup: web, securityGroups: [web] }]
`

test.serial(
  'up --once: a machine on a direct port leases its address and has every verdict right',
  async (t) => {
    const door = await makeDoor()
    const file = join(door.runFolder, 'direct.yaml')
    await writeFile(file, DIRECT)
    const { exitCode, stdout, stderr } = await door.open(['up', file, '--once', '-o', 'json']).exit
    t.is(exitCode, 0, stderr)
    const { cells, differing } = JSON.parse(stdout) as Report
    t.is(differing, 0)
    t.is(cells.filter(({ passes }) => passes).length, 22)
    t.is(cells.length, 40)
    await rm(door.runFolder, { recursive: true })
  },
)

test.serial(
  'up stays: verbs speak to it, a second up says so, Ctrl-C takes all away',
  async (t) => {
    const before = await findTraces()
    const door = await makeDoor()
    const first = door.open(['up'])
    await first.said(STAYING, UP_TIMEOUT_MS)

    const machines = await door.open(['get', 'vm', '-o', 'json']).exit
    t.is(machines.exitCode, 0, machines.stderr)
    t.true(machines.stdout.includes('"web-1"'))
    const plan = await door.open(['plan', 'examples/three-tier.yaml']).exit
    t.is(plan.exitCode, 0, plan.stdout)

    const second = await door.open(['up', '--once']).exit
    t.is(second.exitCode, 1)
    t.regex(second.stderr, /a sandbox of this clone is already up/)

    first.process.kill('SIGINT')
    const { stderr } = await first.exit
    t.false(stderr.includes('PUR_'), stderr)
    t.deepEqual(newTraces(before, await findTraces()), {})
    await rm(door.runFolder, { recursive: true })
  },
)

test.serial(
  'kill -9 of up: everything is gone but the state folder, which the next up removes',
  async (t) => {
    const before = await findTraces()
    const door = await makeDoor()
    const killed = door.open(['up'])
    await killed.said(STAYING, UP_TIMEOUT_MS)
    killed.process.kill('SIGKILL')
    await killed.exit
    const left = await tracesAfter(before, (traces) => traces.processes === undefined)
    t.deepEqual(Object.keys(left), ['stateFolders'])
    const note = JSON.parse(await readFile(join(door.runFolder, 'up.json'), 'utf8')) as {
      folder: string
    }
    t.deepEqual(left.stateFolders, [note.folder.replace('/tmp/', '')])

    const next = door.open(['up'])
    await next.said('sandbox: switch, libvirt, agent', UP_TIMEOUT_MS)
    const now = newTraces(before, await findTraces()).stateFolders ?? []
    t.false(now.includes(left.stateFolders?.[0] ?? ''))
    next.process.kill('SIGTERM')
    const { exitCode } = await next.exit
    t.is(exitCode, 1)
    t.deepEqual(newTraces(before, await findTraces()), {})
    await removeStateFolder(note.folder)
    await rm(door.runFolder, { recursive: true })
  },
)

test.serial(
  'a bad manifest is refused before anything starts: a line a problem, exit code 4',
  async (t) => {
    const door = await makeDoor()
    const file = join(door.runFolder, 'bad.yaml')
    await writeFile(file, BAD_MANIFEST)
    const { exitCode, stdout, stderr } = await door.open(['up', file]).exit
    t.is(exitCode, 4)
    t.is(stdout, '')
    t.deepEqual(
      stderr
        .trim()
        .split('\n')
        .map((line) => line.replace(`${file}:`, '').split(': ').slice(0, 2).join(': ')),
      [
        '1: kind',
        '12: spec.subnets[0].cidr',
        '19: name',
        '20: spec.colour',
        '28: spec.inbound[0].ports',
        '40: spec.nics[0].securityGroups[0]',
      ],
    )
    await rm(door.runFolder, { recursive: true })
  },
)

test.serial('wrong words are exit code 2 with the usage', async (t) => {
  const door = await makeDoor()
  const { exitCode, stderr } = await door.open(['up', '--twice']).exit
  t.is(exitCode, 2)
  t.regex(stderr, /usage: \.\/purlin up/)
  await rm(door.runFolder, { recursive: true })
})

const BAD_MANIFEST = `kind: Nonsense
name: a
spec: {}
---
kind: PortGroup
name: prod
spec:
  switch: dvs0
  vlan: 1
  subnets:
    # a host's address is no network
    - cidr: 10.0.0.5/24
---
kind: DistributedSwitch
name: dvs0
spec: {}
---
kind: DistributedSwitch
name: dvs0
spec: { colour: red }
---
kind: SecurityGroup
name: g
spec:
  inbound:
    - family: ipv4
      protocol: icmp
      ports: ["1"]
      action: allow
---
kind: VirtualMachine
name: m
spec:
  cpus: 1
  memoryMiB: 128
  image: probe
  nics:
    - name: eth0
      portGroup: prod
      securityGroups: [absent]
`

async function tracesAfter(before: Traces, done: (traces: Traces) => boolean): Promise<Traces> {
  const limit = systemClock.monotonicMs() + END_LIMIT_MS
  for (;;) {
    const left = newTraces(before, await findTraces())
    if (done(left) || systemClock.monotonicMs() > limit) return left
    await systemClock.sleep(50)
  }
}
