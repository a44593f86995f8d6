import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'
import { type PacketExplanation, type PacketQuestion, TAP_PREFIX } from '@purlin/schema'
import test from 'ava'
import { removeFolder, startAgent, type TestAgent } from './start-agent.ts'

let agent: TestAgent
const links: string[] = []

const host = async (program: string, ...args: string[]): Promise<string> =>
  (await run(program, args, { timeoutMs: 20_000 })).stdout

test.before(async () => {
  agent = await startAgent({ configuration: '[reconcile]\ndrift = "report"' })
  const image = join(agent.folder, 'images/probe')
  await mkdir(image, { recursive: true })
  const files = { kernel: 'kernel', initrd: 'initrd' }
  for (const file of Object.values(files)) await writeFile(join(image, file), '')
  await writeFile(join(image, 'image.json'), JSON.stringify({ ...files, cmdline: '' }))
  const nics = [{ name: 'eth0', portGroup: 'prod', securityGroups: ['web'] }]
  const spec = { cpus: 1, memoryMiB: 128, image: 'probe', nics, powerState: 'stopped' }
  const http = { family: 'ipv4', protocol: 'tcp', ports: ['80'], action: 'allow' }
  const dhcp = { from: '10.77.0.50', to: '10.77.0.99' }
  const subnets = [{ cidr: '10.77.0.0/24', gateway: '10.77.0.1', dhcp }]
  await agent.client.apply([
    { kind: 'DistributedSwitch', name: 'dvs0', spec: {} },
    { kind: 'PortGroup', name: 'prod', spec: { switch: 'dvs0', subnets } },
    { kind: 'SecurityGroup', name: 'web', spec: { inbound: [{ ...http, id: 'http' }] } },
    { kind: 'VirtualMachine', name: 'web-1', spec },
  ])
  await standOnBridge(await deviceKey())
})

test.after.always(async () => {
  if (agent === undefined) return
  await agent.stop()
  await removeFolder(agent)
  // The next suite's machine has the same name, and so the same devices.
  for (const name of links) await host('ip', 'link', 'delete', name)
})

/** Without Open vSwitch and libvirt the machine never stands; its rules do, and name its
 *  devices. */
async function deviceKey(): Promise<string> {
  for (let tries = 0; tries < 200; tries++) {
    const proof = await agent.client.enforcement.verify().catch(() => undefined)
    if (proof?.equal === true && proof.nics === 1) {
      const listing = await host('/usr/sbin/nft', 'list', 'map', 'bridge', 'purlin', 'guard')
      return new RegExp(`"${TAP_PREFIX}([0-9a-z]+)"`).exec(listing)?.[1] ?? ''
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`the rules do not stand:\n${agent.output()}`)
}

async function standOnBridge(key: string): Promise<void> {
  const bridge = `pbr-${key}`
  await host('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1')
  await host('ip', 'link', 'add', bridge, 'type', 'bridge', 'forward_delay', '0')
  links.push(bridge)
  await host('ip', 'link', 'set', bridge, 'up')
  for (const family of ['iptables', 'ip6tables']) {
    await writeFile(`/sys/class/net/${bridge}/bridge/nf_call_${family}`, '1')
  }
  for (const [name, peer] of [
    [`${TAP_PREFIX}${key}`, 'machine'],
    [`pin-${key}`, `pout-${key}`],
  ] as const) {
    await host('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', peer)
    links.push(name)
    await host('ip', 'link', 'set', name, 'master', bridge, 'up')
    await host('ip', 'link', 'set', peer, 'up')
  }
}

async function inbound(destinationPort: number): Promise<PacketExplanation> {
  const question = { from: '203.0.113.9', to: 'web-1', protocol: 'tcp', destinationPort } as const
  return await agent.client.explainPacketLive(question)
}

test.serial(
  'the agent holds its answer against the kernel, and says what it could not ask',
  async (t) => {
    const allowed = await inbound(80)
    t.is(allowed.verdict, 'allow')
    t.deepEqual(allowed.live, {
      outcome: 'agrees',
      untraced: [{ end: '203.0.113.9', reason: 'it is no NIC of this host' }],
    })
    t.like(allowed.ends[0]?.live, { verdict: 'allow', decidedBy: { rule: 'web/inbound/http' } })
    const denied = await inbound(81)
    t.is(denied.live?.outcome, 'agrees')
    t.like(denied.ends[0]?.live, { verdict: 'deny', decidedBy: { rule: 'default' } })
    const question: PacketQuestion = { from: 'web-1', to: '203.0.113.9', protocol: 'icmp' }
    const outbound = await agent.client.explainPacketLive(question)
    t.like(outbound.ends[0]?.live, { verdict: 'allow', agrees: true })
  },
)

test.serial('a rule behind the agent’s back is told as a disagreement', async (t) => {
  const rule = ['tcp', 'dport', '81', 'accept', 'comment', '"a hole"']
  await host('/usr/sbin/nft', 'insert', 'rule', 'inet', 'purlin', 'base-filter', ...rule)
  const answer = await inbound(81)
  t.is(answer.verdict, 'deny')
  t.is(answer.live?.outcome, 'disagrees')
  t.like(answer.ends[0]?.live, {
    verdict: 'allow',
    agrees: false,
    decidedBy: { chain: 'base-filter', rule: 'a hole' },
  })
})

test.serial('a packet of an established flow is refused', async (t) => {
  const question: PacketQuestion = { from: '203.0.113.9', to: 'web-1', protocol: 'icmp' }
  await t.throwsAsync(agent.client.explainPacketLive({ ...question, state: 'established' }), {
    code: 'PUR_INVALID',
  })
})
