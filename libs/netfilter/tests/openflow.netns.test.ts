import test from 'ava'
import { compileOpenflow, renderFlows } from '../src/openflow/index.ts'
import { Generator } from '../src/testing/generator.ts'
import {
  deliveriesOf,
  randomScene,
  randomSend,
  type Scene,
  type Send,
  traceText,
} from '../src/testing/openflow-scene.ts'
import { sampleDesired } from '../src/testing/sample.ts'
import { host } from './support/lab.ts'
import { type Ovs, startOvs } from './support/ovs.ts'

const BRIDGE = 'trace0'
const SCENES = 20
const FRAMES_A_SCENE = 300
/** Ports of a scene: uplink, service, four NICs. */
const PORTS = [1, 2, 10, 11, 12, 13]
/** A multicast frame meets connection tracking once as it leaves and once for each receiver. */
const LOOKUPS = 5
const seed = Number(process.env.PURLIN_SEED ?? Date.now() % 1_000_000_007)
const words = { new: 'trk,new', established: 'trk,est', related: 'trk,rel' } as const
let ovs: Ovs

test.before(async () => {
  ovs = await startOvs()
  await ovs.vsctl(
    'add-br',
    BRIDGE,
    '--',
    'set',
    'bridge',
    BRIDGE,
    'datapath_type=netdev',
    'fail_mode=secure',
  )
  for (const port of PORTS) {
    const name = `t${port}`
    await host('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}-far`)
    await ovs.vsctl(
      'add-port',
      BRIDGE,
      name,
      '--',
      'set',
      'interface',
      name,
      `ofport_request=${port}`,
    )
  }
})

test.after.always(async () => {
  await ovs.stop()
  for (const port of PORTS) await host('ip', 'link', 'del', `t${port}`)
})

/** Puts the scene's flows in place of all others, in one bundle. */
async function load({ desired, place }: Scene): Promise<void> {
  const { flows } = compileOpenflow(desired, place)
  await ovs.ofctl(['--bundle', 'replace-flows', BRIDGE, '-'], renderFlows(flows))
}

/** The ports that Open vSwitch itself says the frame leaves by. */
async function traced(send: Send): Promise<readonly number[]> {
  const said = Array.from({ length: LOOKUPS }, () => ['--ct-next', words[send.state]]).flat()
  const text = await ovs.appctl('ofproto/trace', BRIDGE, traceText(send), ...said)
  return outputsOf(text)
}

function outputsOf(trace: string): readonly number[] {
  const lines = trace.split('\n')
  return lines.flatMap((line, index) => {
    const port = /^\s+output:(\d+)$/.exec(line)?.[1]
    const skipped = lines[index + 1]?.includes('skipping output to input port') === true
    return port === undefined || skipped ? [] : [Number(port)]
  })
}

test.serial('ofproto/trace sends each of 6,000 frames where the interpreter says', async (t) => {
  const random = new Generator(seed)
  const found: string[] = []
  const frames = SCENES * FRAMES_A_SCENE
  let delivered = 0
  for (let at = 0; at < SCENES; at++) {
    const scene = randomScene(random)
    await load(scene)
    for (let count = 0; count < FRAMES_A_SCENE; count++) {
      const send = randomSend(random, scene)
      const wanted = deliveriesOf(scene, send).map(({ port }) => Number(port))
      const got = await traced(send)
      if (wanted.length > 0) delivered++
      const [first, second] = [wanted, got].map((ports) => ports.toSorted((a, b) => a - b).join())
      if (first !== second)
        found.push(`scene ${at}, ${send.state} ${traceText(send)}: wanted ${first}, got ${second}`)
    }
  }
  t.log(
    `PURLIN_SEED=${seed}: ${frames} frames, ${delivered} delivered, ${found.length} differences`,
  )
  t.true(frames >= 2_000)
  t.true(delivered > frames / 10)
  t.deepEqual(found.slice(0, 3), [], `PURLIN_SEED=${seed} repeats it`)
})

test.serial('a trace names the rule, guard or default that decided, by its cookie', async (t) => {
  const plugs = new Map(
    sampleDesired.nics.map(({ port }, index) => [port, { port: 10 + index, vlan: 100 }]),
  )
  const place = { plugs, outside: [{ port: 1 }] }
  const { flows, origins } = compileOpenflow(sampleDesired, place)
  await ovs.ofctl(['--bundle', 'replace-flows', BRIDGE, '-'], renderFlows(flows))
  const named = async (source: string, port: number): Promise<readonly (string | undefined)[]> => {
    const ends = `in_port=1,dl_vlan=100,dl_dst=52:54:00:00:00:0b,tcp,nw_dst=10.9.0.11`
    const frame = `${ends},nw_src=${source},tcp_dst=${port},tcp_flags=2`
    const trace = await ovs.appctl('ofproto/trace', BRIDGE, frame, '--ct-next', 'trk,new')
    return [...trace.matchAll(/cookie (0x[0-9a-f]+)/g)].map(([, cookie = '']) =>
      origins.get(cookie),
    )
  }
  t.true((await named('10.9.0.99', 80)).includes('web/inbound/0'))
  t.true((await named('10.9.0.12', 1_500)).includes('web/inbound/2'))
  t.true((await named('10.9.0.13', 9)).includes('web/members'))
  t.is((await named('10.9.0.99', 9)).at(-1), 'default/inbound/deny')
  const spoofed = `in_port=11,dl_src=52:54:00:00:00:99,dl_dst=52:54:00:00:00:0a,ip`
  const [, cookie = ''] =
    [...(await ovs.appctl('ofproto/trace', BRIDGE, spoofed)).matchAll(/cookie (0x\w+)/g)].at(-1) ??
    []
  t.is(origins.get(cookie), 'guard/mac')
})
