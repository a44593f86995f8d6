import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, run, systemClock } from '@purlin/base'
import type { SecurityGroupSpec } from '@purlin/schema'
import type { RuleInput } from '@purlin/sdk'
import test from 'ava'
import { removeFolder, startAgent, type TestAgent } from './start-agent.ts'

let agent: TestAgent
let started = false
const example = async (name: string): Promise<string> =>
  await readFile(new URL(`../../../examples/import/${name}`, import.meta.url), 'utf8')

const http: RuleInput<'inbound'> = {
  family: 'ipv4',
  protocol: 'tcp',
  ports: ['80'],
  action: 'allow',
}
const ssh: RuleInput<'inbound'> = { ...http, ports: ['22'] }

test.before(async () => {
  agent = await startAgent()
  started = true
  const image = join(agent.folder, 'images/probe')
  await mkdir(image, { recursive: true })
  const files = { kernel: 'kernel', initrd: 'initrd' }
  for (const file of Object.values(files)) await writeFile(join(image, file), '')
  await writeFile(join(image, 'image.json'), JSON.stringify({ ...files, cmdline: '' }))
  const nics = [{ name: 'eth0', portGroup: 'prod', securityGroups: ['ops'] }]
  const spec = { cpus: 1, memoryMiB: 128, image: 'probe', nics, powerState: 'stopped' }
  // Without Open vSwitch and libvirt the machine never stands; its rules do.
  await agent.client.apply([
    { kind: 'DistributedSwitch', name: 'dvs0', spec: {} },
    { kind: 'PortGroup', name: 'prod', spec: { switch: 'dvs0' } },
    { kind: 'SecurityGroup', name: 'ops', spec: {} },
    { kind: 'VirtualMachine', name: 'web-1', spec },
  ])
})

test.after.always(async () => {
  if (!started) return
  await agent.stop()
  await removeFolder(agent)
})

/** Makes a group, and deletes it behind the test. */
async function withGroup(
  name: string,
  spec: object,
  work: (ids: () => Promise<(string | undefined)[]>) => Promise<void>,
): Promise<void> {
  const { client } = agent
  await (await client.apply([{ kind: 'SecurityGroup', name, spec }])).wait()
  await work(async () => (await specOf(name)).inbound.map(({ id }) => id))
  await (await client.securityGroups.delete(name)).wait()
}

async function specOf(name: string): Promise<SecurityGroupSpec> {
  return (await agent.client.securityGroups.get(name)).spec
}

async function refusal(call: () => Promise<unknown>): Promise<PurlinError> {
  try {
    await call()
  } catch (thrown) {
    if (thrown instanceof PurlinError) return thrown
  }
  throw new Error('nothing was refused')
}

test.serial(
  'single changes of rules are one revision each, and ids stay with their rules',
  async (t) => {
    const { securityGroups } = agent.client
    await withGroup('web', { inbound: [http, ssh] }, async (ids) => {
      const [first, second] = await ids()
      const before = await securityGroups.get('web')
      const steps: [() => Promise<{ wait(): Promise<unknown> }>, string][] = [
        [() => securityGroups.insertRule('web', 'inbound', { ...http, id: 'new' }, 0), 'new 1 2'],
        [() => securityGroups.moveRule('web', 'new', 2), '1 2 new'],
        [() => securityGroups.modifyRule('web', second ?? '', { ports: ['23'] }), '1 2 new'],
        [() => securityGroups.disableRule('web', 'new'), '1 2 new'],
        [
          () =>
            securityGroups.addRules('web', 'inbound', [
              { ...ssh, id: 'a' },
              { ...ssh, id: 'b' },
            ]),
          '1 2 new a b',
        ],
        [() => securityGroups.deleteRule('web', { direction: 'inbound', priority: 2 }), '1 2 a b'],
      ]
      for (const [call, expected] of steps) {
        await (await call()).wait()
        const shown = (await ids()).map((id) => (id === first ? '1' : id === second ? '2' : id))
        t.is(shown.join(' '), expected)
      }
      const after = await securityGroups.get('web')
      t.is(after.generation, before.generation + steps.length)
      t.deepEqual(after.spec.inbound[1]?.ports, ['23'])
      const written = { inbound: [http, { ...ssh, ports: ['23'] }] }
      const manifest = { kind: 'SecurityGroup', name: 'web', spec: written }
      await (await agent.client.apply([manifest])).wait()
      t.deepEqual(await ids(), [first, second])
      t.deepEqual((await agent.client.plan([manifest])).changes, [])
    })
  },
)

test.serial(
  'a change that does not fit is 422 with code and path, and changes nothing',
  async (t) => {
    const { securityGroups, virtualMachines } = agent.client
    await withGroup('web', { inbound: [{ ...http, id: 'http' }] }, async () => {
      const before = await securityGroups.get('web')
      const cases: [() => Promise<unknown>, string, string][] = [
        [
          () => securityGroups.insertRule('web', 'inbound', ssh, 2),
          'PUR_SG_PRIORITY_GAP',
          'priority',
        ],
        [() => securityGroups.moveRule('web', 'http', 1), 'PUR_SG_PRIORITY_GAP', 'priority'],
        [() => securityGroups.deleteRule('web', 'gone'), 'PUR_SG_RULE_MISSING', 'rule'],
        [
          () => securityGroups.modifyRule('web', 'http', { protocol: 'icmp' }),
          'PUR_INVALID',
          'ports',
        ],
        [
          () => securityGroups.addRule('web', 'inbound', { ...ssh, source: { groups: ['none'] } }),
          'PUR_INVALID',
          'spec.inbound[1].source.groups[0]',
        ],
        [
          () => securityGroups.addRule('web', 'outbound', { ...ssh, id: 'http' }),
          'PUR_INVALID',
          'spec.outbound[0].id',
        ],
        [() => virtualMachines.attachGroup('web-1', 'eth9', 'web'), 'PUR_INVALID', 'nic'],
        [
          () => virtualMachines.attachGroup('web-1', 'eth0', 'none'),
          'PUR_INVALID',
          'spec.nics[0].securityGroups[1]',
        ],
      ]
      for (const [call, code, path] of cases) {
        const error = await refusal(call)
        t.deepEqual([error.code, error.problems[0]?.path], [code, path])
      }
      const stale = { ifRevision: before.revision - 1 }
      t.is(
        (await refusal(() => securityGroups.deleteRule('web', 'http', stale))).code,
        'PUR_RESOURCE_REVISION',
      )
      t.deepEqual(await securityGroups.get('web'), before)
    })
  },
)

test.serial('changes of one group at the same time are all made', async (t) => {
  const { securityGroups } = agent.client
  await withGroup('web', {}, async () => {
    const ports = Array.from({ length: 20 }, (_, index) => String(1000 + index))
    const tasks = await Promise.all(
      ports.map((port) => securityGroups.addRule('web', 'inbound', { ...http, ports: [port] })),
    )
    await Promise.all(tasks.map((task) => task.wait()))
    const found = (await specOf('web')).inbound.flatMap((rule) => rule.ports ?? [])
    t.deepEqual(found.toSorted(), ports)
  })
})

test.serial(
  'groups of a NIC are attached at a place, put into another order and detached',
  async (t) => {
    const { securityGroups, virtualMachines } = agent.client
    await withGroup('web', {}, async () => {
      const groups = async () =>
        (await virtualMachines.get('web-1')).spec.nics[0]?.securityGroups.join(' ')
      await virtualMachines.attachGroup('web-1', 'eth0', 'web', { priority: 0 })
      t.is(await groups(), 'web ops')
      t.deepEqual(
        (await securityGroups.members('web')).map(({ nic }) => nic),
        ['web-1/eth0'],
      )
      t.is((await refusal(() => securityGroups.delete('web'))).code, 'PUR_RESOURCE_IN_USE')
      await virtualMachines.reorderGroups('web-1', 'eth0', ['ops', 'web'])
      t.is(await groups(), 'ops web')
      const short = await refusal(() => virtualMachines.reorderGroups('web-1', 'eth0', ['web']))
      t.deepEqual([short.code, short.problems[0]?.path], ['PUR_INVALID', 'groups'])
      await virtualMachines.detachGroup('web-1', 'eth0', 'web')
      t.is(await groups(), 'ops')
    })
  },
)

test.serial('what is exported is imported into another group, equal in every field', async (t) => {
  const { securityGroups } = agent.client
  const spec = { inbound: [{ ...http, log: true, description: 'a, "b"' }], outbound: [ssh] }
  await withGroup('web', spec, async () => {
    await withGroup('copy', { inbound: [ssh] }, async () => {
      for (const format of ['json', 'yaml', 'csv'] as const) {
        const text = await securityGroups.exportRules('web', format)
        await (await securityGroups.importRules('copy', { text, replace: true })).wait()
        t.deepEqual(await specOf('copy'), await specOf('web'))
      }
    })
  })
})

test.serial('a file of rules with a fault is refused as a whole, by its lines', async (t) => {
  const { securityGroups } = agent.client
  await withGroup('web', { inbound: [ssh] }, async () => {
    const before = await specOf('web')
    const head = 'direction,action,family,protocol,ports,cidrs\n'
    const rows = [
      'inbound,allow,ipv4,tcp,80,',
      'inbound,allow,ipv4,tcp,99999,',
      'inbound,allow,ipv4,tcp,22,',
      'inbound,allow,ipv4,tcp,80,10.0.0.0/8',
    ]
    const lines = async (text: string): Promise<(number | undefined)[]> =>
      (await refusal(() => securityGroups.importRules('web', { text }))).problems.map(
        ({ line }) => line,
      )
    t.deepEqual(await lines(head + rows.join('\n')), [3, 4])
    t.deepEqual(await lines(head + rows.toSpliced(1, 1).join('\n')), [3, 4])
    t.deepEqual(await specOf('web'), before)
    const text = head + rows.slice(0, 1).join('\n')
    const plan = await securityGroups.planImport('web', { text })
    t.deepEqual([plan.format, plan.add.inbound, plan.inbound.length], ['csv', 1, 2])
    t.deepEqual(await specOf('web'), before)
  })
})

test.serial('rules of OpenStack, AWS and ZStack are imported', async (t) => {
  const { securityGroups } = agent.client
  const groups = {
    'openstack.json': { '7d3c1f1e-93f5-4c59-8f0e-1f6d5c2b9aaa': 'self' },
    'aws.json': { 'sg-0fedcba9876543210': 'ops' },
    'zstack.json': { '7c224d3f5ad74520ac4dd6c81def0d8e': 'ops' },
  }
  for (const [file, map] of Object.entries(groups)) {
    // Theirs have no members rule: with it on, rules for the group itself could never match.
    await withGroup('web', { allowWithinGroup: false }, async (ids) => {
      const request = { text: await example(file), fileName: file, groups: map }
      await (await securityGroups.importRules('web', request)).wait()
      t.true((await ids()).length >= 3, file)
      t.false((await ids()).includes(undefined), file)
    })
  }
})

test.serial('the members rule is switched, never deleted', async (t) => {
  const { securityGroups } = agent.client
  await withGroup('web', {}, async () => {
    await (await securityGroups.modify('web', { allowWithinGroup: false, description: 'x' })).wait()
    t.like(await specOf('web'), { allowWithinGroup: false, description: 'x' })
    await (await securityGroups.modify('web', { allowWithinGroup: true, description: null })).wait()
    t.deepEqual(await specOf('web'), {
      allowWithinGroup: true,
      keepEstablished: false,
      inbound: [],
      outbound: [],
    })
  })
})

test.serial(
  'a plan of a policy tells what it newly allows, and hits count the rules in force',
  async (t) => {
    const { enforcement, virtualMachines } = agent.client
    await withGroup('web', { inbound: [{ ...ssh, id: 'ssh' }] }, async () => {
      await virtualMachines.attachGroup('web-1', 'eth0', 'web')
      const csv = 'direction,action,family,protocol,ports\ninbound,allow,ipv4,tcp,80\n'
      const plan = await enforcement.plan({ import: { group: 'web', text: csv, replace: true } })
      const told = (regions: typeof plan.newlyAllowed) =>
        regions.map(({ nics, destinationPorts }) => [nics, destinationPorts])
      t.deepEqual(told(plan.newlyAllowed), [[['web-1/eth0'], ['80']]])
      t.deepEqual(told(plan.newlyDenied), [[['web-1/eth0'], ['22']]])
      t.deepEqual([plan.complete, plan.unread, plan.connectionsToEnd], [true, undefined, []])
      t.deepEqual((await specOf('web')).inbound[0]?.ports, ['22'])
      const rule = await eventually(
        () => enforcement.hits('web'),
        (items) => items.some(({ id }) => id === 'ssh'),
      )
      t.like(
        rule.find(({ id }) => id === 'ssh'),
        { direction: 'inbound', type: 'rule', group: 'web', priority: 0, packets: 0 },
      )
      await virtualMachines.detachGroup('web-1', 'eth0', 'web')
    })
  },
)

test.serial(
  'verify proves the kernel equal, and finds one rule that somebody else put in',
  async (t) => {
    const { enforcement, virtualMachines } = agent.client
    await withGroup('web', { inbound: [http, ssh] }, async () => {
      await virtualMachines.attachGroup('web-1', 'eth0', 'web')
      const equal = await eventually(
        () => enforcement.verify(),
        (proof) => proof.equal && proof.nics > 0,
      )
      t.like(equal, { equal: true, findings: [] })
      t.true(equal.spaces > 0)
      // The agent mends it within a second, so it may be faster than the question.
      const nft = (...args: string[]) => run('/usr/sbin/nft', args, { timeoutMs: 10_000 })
      const { findings } = await eventually(
        async () => {
          await nft(
            'insert',
            'rule',
            'inet',
            'purlin',
            'base-filter',
            'tcp',
            'dport',
            '23',
            'accept',
          )
          return await enforcement.verify()
        },
        (proof) => !proof.equal,
      )
      t.true(findings.length > 0)
      const witness = findings.find((one) => one.witness !== undefined)?.witness
      t.like(witness ?? {}, { protocol: 'tcp', destinationPort: 23, loaded: 'allow' })
      await virtualMachines.detachGroup('web-1', 'eth0', 'web')
      const mended = await eventually(
        () => enforcement.verify(),
        (proof) => proof.equal,
      )
      t.true(mended.equal)
    })
  },
)

async function eventually<Value>(
  look: () => Promise<Value>,
  wanted: (value: Value) => boolean,
): Promise<Value> {
  for (let attempt = 0; ; attempt++) {
    const value = await look()
    if (wanted(value) || attempt === 200) return value
    await systemClock.sleep(50)
  }
}
