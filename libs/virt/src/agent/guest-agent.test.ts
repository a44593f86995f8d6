import { PurlinError, systemClock } from '@purlin/base'
import test from 'ava'
import { createFakeLibvirt, type FakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { machineOf } from '../../tests/support/machines.ts'
import { domainXml } from '../domain/xml.ts'
import { createGuestAgent, type GuestAgent } from './guest-agent.ts'

const options = { deadlineMs: 5_000 }
const base64 = (text: string): string => Buffer.from(text).toString('base64')

function bench(): { fake: FakeLibvirt; agent: GuestAgent } {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('web-1')), true)
  return { fake, agent: createGuestAgent({ libvirt: fake.port, clock: systemClock }) }
}

function connect(fake: FakeLibvirt): void {
  const domain = fake.domains.get('web-1')
  if (domain === undefined) return
  const open = 'guest_agent.0" state="connected"'
  domain.xml = domain.xml.replace('guest_agent.0"', open)
  const event = { kind: 'agent', domain: 'web-1', uuid: domain.uuid } as const
  fake.emit({ ...event, state: 'connected', reason: 'channel' })
}

test('a program gets its arguments and input, and gives output and exit code', async (t) => {
  const { fake, agent } = bench()
  const asked: unknown[] = []
  let looks = 0
  fake.agent = (command) => {
    asked.push(command)
    if (command.execute === 'guest-exec') return { pid: 7 }
    looks += 1
    if (looks < 3) return { exited: false }
    return { exited: true, exitcode: 3, 'out-data': base64('né'), 'err-data': base64('no') }
  }
  const command = ['/bin/cat', '-n', 'a b'] as const
  const outcome = await agent.exec('web-1', { command: [...command], input: 'ü' }, options)
  t.deepEqual(outcome, { exitCode: 3, stdout: 'né', stderr: 'no', truncated: false })
  t.deepEqual(asked[0], {
    execute: 'guest-exec',
    arguments: {
      path: '/bin/cat',
      arg: ['-n', 'a b'],
      'capture-output': true,
      'input-data': base64('ü'),
    },
  })
  t.deepEqual(asked[3], { execute: 'guest-exec-status', arguments: { pid: 7 } })
})

test('a program ended by a signal has the exit code a shell would give', async (t) => {
  const { fake, agent } = bench()
  fake.agent = ({ execute }) =>
    execute === 'guest-exec' ? { pid: 7 } : { exited: true, signal: 9, 'out-truncated': true }
  const outcome = await agent.exec('web-1', { command: ['/bin/yes'] }, options)
  t.deepEqual(outcome, { exitCode: 137, stdout: '', stderr: '', truncated: true })
})

test('a program that does not end is given up at the deadline', async (t) => {
  const { fake, agent } = bench()
  fake.agent = ({ execute }) => (execute === 'guest-exec' ? { pid: 7 } : { exited: false })
  const call = agent.exec('web-1', { command: ['/bin/sleep', '99'] }, { deadlineMs: 30 })
  const error = await t.throwsAsync(call, { instanceOf: PurlinError })
  t.is(error.code, 'PUR_DEADLINE_PASSED')
})

test('waiting ends with the event of the agent', async (t) => {
  const { fake, agent } = bench()
  const waiting = agent.waitForAgent('web-1', 5_000)
  await fake.port.hostname(options)
  connect(fake)
  await t.notThrowsAsync(waiting)
})

test('waiting ends at once for an agent that is there', async (t) => {
  const { fake, agent } = bench()
  connect(fake)
  await t.notThrowsAsync(agent.waitForAgent('web-1', 5_000))
})

test('an agent that is connected but silent is asked again', async (t) => {
  const { fake, agent } = bench()
  connect(fake)
  let asked = 0
  fake.agent = () => {
    asked += 1
    if (asked === 1) throw new PurlinError('PUR_VIRT_AGENT_UNRESPONSIVE', { message: 'silent' })
    return {}
  }
  await agent.waitForAgent('web-1', 5_000)
  t.is(asked, 2)
})

test('waiting for a machine that is not there fails at once', async (t) => {
  const { agent } = bench()
  const error = await t.throwsAsync(agent.waitForAgent('web-2', 5_000), { instanceOf: PurlinError })
  t.is(error.code, 'PUR_VIRT_NO_DOMAIN')
})

test('waiting for an agent that never comes ends at the deadline', async (t) => {
  const { agent } = bench()
  const error = await t.throwsAsync(agent.waitForAgent('web-1', 20), { instanceOf: PurlinError })
  t.is(error.code, 'PUR_DEADLINE_PASSED')
})

test('interfaces are read as the guest has them', async (t) => {
  const { fake, agent } = bench()
  fake.agent = () => [
    {
      name: 'eth0',
      'hardware-address': '52:54:00:AB:00:01',
      'ip-addresses': [
        { 'ip-address-type': 'ipv4', 'ip-address': '10.77.0.50', prefix: 24 },
        { 'ip-address-type': 'ipv6', 'ip-address': 'fd77::50', prefix: 128 },
      ],
    },
    { name: 'tun0' },
  ]
  t.deepEqual(await agent.interfaces('web-1', options), [
    {
      name: 'eth0',
      mac: '52:54:00:ab:00:01',
      addresses: [
        { family: 'ipv4', address: '10.77.0.50', prefixLength: 24 },
        { family: 'ipv6', address: 'fd77::50', prefixLength: 128 },
      ],
    },
    { name: 'tun0', addresses: [] },
  ])
})
