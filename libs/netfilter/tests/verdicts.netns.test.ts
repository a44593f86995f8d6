import { writeFile } from 'node:fs/promises'
import { systemClock } from '@purlin/base'
import test from 'ava'
import { desiredOf, sampleDesired, sampleGroup, sampleNic } from '../src/testing/sample.ts'
import { enforce, newDriver, planned } from './support/enforce.ts'
import { eventually } from './support/eventually.ts'
import { host, type Lab, packetsOf, startLab } from './support/lab.ts'

const driver = newDriver()
let lab: Lab

const addressOf = (letter: string, family: 'ipv4' | 'ipv6'): string =>
  sampleDesired.nics.find((nic) => nic.port === `${letter}.eth0`)?.[family][0] ?? ''

/** Asks, and asks again where a "yes" is due. */
async function reaches(
  from: string,
  to: string,
  kind: 'tcp' | 'udp',
  port: number,
  family: 'ipv4' | 'ipv6',
  expected: boolean,
): Promise<boolean> {
  const machine = lab.machine(from)
  const address = addressOf(to, family)
  const once = (): Promise<boolean> => machine[kind](address, port)
  return expected ? await eventually(once) : await once()
}

test.before(async () => {
  await enforce(driver, sampleDesired)
  lab = await startLab(sampleDesired.nics)
})

test.after.always(async () => {
  await lab.stop()
})

test.serial('every verdict of real packets is that of the policy, in both families', async (t) => {
  const flows: [string, string, 'tcp' | 'udp', number, boolean][] = [
    ['a', 'b', 'tcp', 80, true],
    ['a', 'b', 'tcp', 22, true],
    ['c', 'b', 'tcp', 22, false],
    ['c', 'b', 'tcp', 443, true],
    ['c', 'b', 'tcp', 1500, false],
    ['c', 'b', 'tcp', 2500, true],
    ['a', 'b', 'tcp', 1500, true],
    ['a', 'b', 'tcp', 3000, true],
    ['a', 'b', 'tcp', 3500, false],
    ['d', 'b', 'tcp', 3500, true],
    ['c', 'b', 'udp', 5353, true],
    ['c', 'b', 'udp', 54, false],
    ['b', 'c', 'udp', 54, true],
    ['b', 'c', 'tcp', 9, true],
    ['a', 'd', 'tcp', 22, false],
    ['c', 'a', 'tcp', 80, false],
    ['d', 'a', 'tcp', 9, false],
    ['a', 'c', 'tcp', 9, true],
  ]
  for (const family of ['ipv4', 'ipv6'] as const) {
    const answers = await Promise.all(
      flows.map(async ([from, to, kind, port, expected]) => ({
        flow: `${from} -> ${to} ${kind} ${port}`,
        reached: await reaches(from, to, kind, port, family, expected),
      })),
    )
    const expected = flows.map(([from, to, kind, port, wanted]) => ({
      flow: `${from} -> ${to} ${kind} ${port}`,
      reached: wanted,
    }))
    t.deepEqual(answers, expected, family)
  }
  t.deepEqual(await planned(driver, sampleDesired), [])
})

test.serial(
  "same host: the sender's outbound allow does not skip the receiver's inbound list",
  async (t) => {
    const everywhere = { family: 'ipv4', protocol: 'all', action: 'allow' }
    const desired = desiredOf([sampleNic('a', ['open']), sampleNic('b', ['shut'])], {
      open: sampleGroup({ outbound: [everywhere] }),
      shut: sampleGroup({ inbound: [{ ...everywhere, protocol: 'tcp', action: 'deny' }] }),
    })
    const withRest = { ...desired, nics: [...desired.nics, sampleNic('c', []), sampleNic('d', [])] }
    await enforce(driver, withRest)
    t.false(await lab.machine('a').tcp('10.9.0.11', 80))
    t.true(await reaches('b', 'c', 'tcp', 80, 'ipv4', true))
    t.true((await packetsOf('inet purlin', 'shut/inbound/0')) > 0)
    await enforce(driver, sampleDesired)
  },
)

test.serial('with the members rule off, members are strangers to each other', async (t) => {
  t.true(await reaches('d', 'b', 'tcp', 9, 'ipv4', true))
  const web = sampleDesired.groups.get('web')
  t.truthy(web)
  if (!web) return
  const groups = new Map(sampleDesired.groups).set('web', { ...web, allowWithinGroup: false })
  await enforce(driver, { ...sampleDesired, groups })
  t.false(await lab.machine('d').tcp('10.9.0.11', 9))
  await enforce(driver, sampleDesired)
})

test.serial('a member that joins is let in without a new list', async (t) => {
  const members = new Map(sampleDesired.members)
  const stranger = { ipv4: ['10.9.0.12'], ipv6: ['fd09::c'] }
  members.set('web', [...(members.get('web') ?? []), stranger])
  t.false(await lab.machine('c').tcp('10.9.0.11', 9))
  const done = await enforce(driver, { ...sampleDesired, members })
  t.regex(done.join(), /bring the members of web up to date/)
  t.true(await reaches('c', 'b', 'tcp', 9, 'ipv4', true))
  await enforce(driver, sampleDesired)
})

test.serial('return traffic of an allowed flow passes', async (t) => {
  t.true(await eventually(() => lab.machine('c').hold('10.9.0.11', 80)))
  t.true(await eventually(() => lab.machine('c').hold('fd09::b', 443)))
})

test.serial('an ICMP error of an allowed flow passes', async (t) => {
  t.true(await eventually(() => lab.machine('d').refusal('10.9.0.11', 99)))
  t.true(await eventually(() => lab.machine('b').refusal('fd09::c', 99)))
  t.false(await lab.machine('c').refusal('10.9.0.11', 99))
})

test.serial('a foreign source address is dropped by the guard', async (t) => {
  const c = lab.machine('c')
  await c.command('ip', 'addr', 'add', '10.9.0.99/24', 'dev', 'eth0')
  await c.command('ip', '-6', 'addr', 'add', 'fd09::99/64', 'dev', 'eth0', 'nodad')
  t.false(await c.udp('10.9.0.11', 5353, { address: '10.9.0.99' }))
  t.false(await c.udp('fd09::b', 5353, { address: 'fd09::99' }))
  t.true((await packetsOf('bridge purlin', 'guard/ipv4')) > 0)
  t.true((await packetsOf('bridge purlin', 'guard/ipv6')) > 0)
  await c.command('ip', 'addr', 'del', '10.9.0.99/24', 'dev', 'eth0')
  await c.command('ip', '-6', 'addr', 'del', 'fd09::99/64', 'dev', 'eth0')
})

test.serial('a foreign MAC is dropped by the guard', async (t) => {
  const c = lab.machine('c')
  await c.command('ip', 'link', 'set', 'eth0', 'address', '52:54:00:00:00:99')
  t.false(await c.udp('10.9.0.11', 5353))
  t.true((await packetsOf('bridge purlin', 'guard/mac')) > 0)
  await c.command('ip', 'link', 'set', 'eth0', 'address', '52:54:00:00:00:0c')
  await c.command('ip', '-6', 'addr', 'replace', 'fd09::c/64', 'dev', 'eth0', 'nodad')
  t.true(await reaches('c', 'b', 'udp', 5353, 'ipv4', true))
})

test.serial('a machine is no DHCP server and no router', async (t) => {
  const c = lab.machine('c')
  t.false(await c.udp('10.9.0.11', 68, { port: 67 }))
  t.true((await packetsOf('bridge purlin', 'guard/dhcp-server')) > 0)
  t.false(await c.udp('10.9.0.11', 68))
  t.true((await packetsOf('bridge purlin', 'guard/dhcp-answer')) > 0)
  c.start(
    'dnsmasq',
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--port=0',
    '--interface=eth0',
    '--enable-ra',
    '--dhcp-range=fd09::,ra-only',
    '--user=root',
    '--dhcp-leasefile=/dev/null',
    '--pid-file=',
  )
  for (let tries = 40; tries > 0; tries--) {
    if ((await packetsOf('bridge purlin', 'guard/router')) > 0) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  t.true((await packetsOf('bridge purlin', 'guard/router')) > 0)
  t.notRegex(await lab.machine('b').command('ip', '-6', 'route'), /default/)
})

test.serial('a tap nobody wrote rules for is closed', async (t) => {
  const stranger = await lab.add(sampleNic('e', []))
  t.false(await stranger.tcp('10.9.0.12', 80))
  t.false(await lab.machine('c').tcp('10.9.0.14', 80))
  t.true((await packetsOf('bridge purlin', 'base/unmanaged')) > 0)
  const managed = { ...sampleDesired, nics: [...sampleDesired.nics, sampleNic('e', [])] }
  await enforce(driver, managed)
  t.true(await eventually(() => stranger.tcp('10.9.0.12', 80)))
  const [summary] = await enforce(driver, sampleDesired)
  t.is(summary, 'take the rules of e.eth0 away; its tap ptap-e is closed from then on')
  t.false(await stranger.tcp('10.9.0.12', 80))
})

test.serial(
  'a frame to the host itself is dropped, so that nothing is routed past the lists',
  async (t) => {
    const [link] = JSON.parse(await host('ip', '-j', 'link', 'show', 'pbr-c')) as {
      address: string
    }[]
    const c = lab.machine('c')
    await c.command(
      'ip',
      'neigh',
      'replace',
      '10.9.0.77',
      'lladdr',
      link?.address ?? '',
      'dev',
      'eth0',
    )
    const before = await packetsOf('bridge purlin', 'base/host-closed-tap')
    t.false(await c.udp('10.9.0.77', 5353))
    t.true((await packetsOf('bridge purlin', 'base/host-closed-tap')) > before)
  },
)

test.serial('the host says nothing to a machine through its tap', async (t) => {
  const before = await packetsOf('inet purlin', 'base/silent-host')
  await writeFile('/proc/sys/net/ipv6/conf/ptap-b/disable_ipv6', '0')
  await host('ip', 'link', 'set', 'ptap-b', 'down')
  await host('ip', 'link', 'set', 'ptap-b', 'up')
  // Its own address makes the kernel join groups and look for routers there, within some seconds.
  let said = before
  for (let attempt = 0; attempt < 50 && said === before; attempt++) {
    await systemClock.sleep(100)
    said = await packetsOf('inet purlin', 'base/silent-host')
  }
  t.true(said > before)
})
