import { run, systemClock } from '@purlin/base'
import test from 'ava'
import type { Flow } from '../src/index.ts'
import {
  flowAddition,
  flowsDeletion,
  messageTypes,
  meterChange,
  type NumberedFlow,
} from '../src/openflow/message.ts'
import { type OpenflowSession, openOpenflow } from '../src/openflow/session.ts'
import { datapath } from './support/datapath.ts'
import { startHost, type TestHost, until } from './support/host.ts'

let host: TestHost
let session: OpenflowSession
let foreign = 0

test.before(async () => {
  host = await startHost()
  await host.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', `datapath_type=${datapath}`)
  session = await openOpenflow({
    socketPath: `${host.folder}/br0.mgmt`,
    clock: systemClock,
    onForeignChange: () => {
      foreign++
    },
  })
})

test.after.always(async () => {
  session?.close()
  await host?.stop()
})

const flow = (rest: Partial<Flow>, cookie = 0x7000_0000_0000_0001n): NumberedFlow => ({
  ...{ table: 0, priority: 10, match: [], actions: [], origin: 'test', cookie },
  ...rest,
})

async function ofctl(...words: string[]): Promise<string> {
  const [verb = '', ...rest] = words
  const target = `unix:${host.folder}/br0.mgmt`
  const args = ['-O', 'OpenFlow14', verb, target, ...rest]
  return (await run('ovs-ofctl', args, { timeoutMs: 10_000 })).stdout
}

const ip = { field: 'dl_type', value: 0x800n } as const
const cases: readonly (readonly [Partial<Flow>, string])[] = [
  [
    { match: [{ field: 'in_port', value: 3n }], actions: [{ do: 'normal' }] },
    'in_port=3 actions=NORMAL',
  ],
  [
    {
      match: [
        { field: 'tp_dst', value: 80n, mask: 0xfff0n },
        { field: 'nw_proto', value: 6n },
        { field: 'dl_type', value: 0x86ddn },
        { field: 'ct_state', value: 0x21n, mask: 0x31n },
      ],
      actions: [
        { do: 'set', register: 'reg5', value: 7 },
        { do: 'track', table: 5 },
      ],
    },
    'ct_state=+new-inv+trk,tcp6,tp_dst=0x50/0xfff0 actions=set_field:0x7->reg5,ct(table=5,zone=NXM_NX_REG6[0..15])',
  ],
  [
    { match: [ip, { field: 'conj_id', value: 9n }], actions: [{ do: 'commit' }] },
    'conj_id=9,ip actions=ct(commit,zone=NXM_NX_REG6[0..15])',
  ],
  [
    {
      match: [{ field: 'dl_dst', value: 0x525400000001n }],
      actions: [{ do: 'conjunction', id: 9, clause: 2, of: 2 }],
    },
    'dl_dst=52:54:00:00:00:01 actions=conjunction(9,2/2)',
  ],
  [
    {
      match: [{ field: 'vlan_vid', value: 0x1000n, mask: 0x1000n }],
      actions: [
        { do: 'set-network-from-tag' },
        { do: 'untag' },
        {
          do: 'copy',
          actions: [
            { do: 'tag', vlan: 100 },
            { do: 'set-tunnel', key: 77 },
            { do: 'output', port: 4 },
          ],
        },
        { do: 'go', table: 6 },
      ],
    },
    'vlan_tci=0x1000/0x1000 actions=move:OXM_OF_VLAN_VID[]->NXM_NX_REG5[0..11],pop_vlan,clone(push_vlan:0x8100,set_field:4196->vlan_vid,set_field:0x4d->tun_id,output:4),resubmit(,6)',
  ],
  [
    {
      match: [
        { field: 'dl_type', value: 0x86ddn },
        { field: 'nw_proto', value: 58n },
        { field: 'icmp_type', value: 136n },
        { field: 'nd_target', value: 0xfd77n << 112n },
        { field: 'ipv6_src', value: 0xfd77n << 112n, mask: 0xffffn << 112n },
      ],
      actions: [{ do: 'drop' }],
    },
    'icmp6,ipv6_src=fd77::/16,icmp_type=136,nd_target=fd77:: actions=drop',
  ],
  [
    { match: [ip, { field: 'nw_src', value: 0x0a000000n, mask: 0xff000000n }] },
    'ip,nw_src=10.0.0.0/8 actions=drop',
  ],
]

test.serial('every kind of match and action is what ovs-ofctl calls it', async (t) => {
  const flows = cases.map(([rest], index) => flow({ ...rest, priority: 100 + index }))
  await session.commit('flows', flows.map(flowAddition), 5_000)
  const dump = await ofctl('dump-flows', '--no-stats', '--no-names')
  for (const [index, [, text]] of cases.entries()) {
    t.true(dump.includes(`priority=${100 + index},${text}\n`), `${text}\nin\n${dump}`)
  }
})

test.serial('a bundle with a bad change changes nothing, and says which and why', async (t) => {
  const before = (await session.flows()).length
  const good = flowAddition(flow({ priority: 7 }))
  const bad = flowAddition(flow({ priority: 8, match: [{ field: 'tp_dst', value: 80n }] }))
  await t.throwsAsync(session.commit('two flows', [good, bad], 5_000), {
    code: 'PUR_OPENFLOW_REFUSED',
    message: /two flows, change 2 of 2: .*a field that needs another before it/,
  })
  t.is((await session.flows()).length, before)
  await session.commit('one flow', [good], 5_000)
  t.is((await session.flows()).length, before + 1, 'the connection goes on')
})

test.serial('meters are made, refused twice, counted and deleted', async (t) => {
  const limit = { kbitPerSecond: 10_000, burstKbit: 1_000 }
  const meter = (command: number) => ({
    type: messageTypes.meterMod,
    body: meterChange(command, 5, limit),
  })
  await session.send('make a meter', [meter(0)])
  t.deepEqual(
    (await session.meters()).map(({ number }) => number),
    [5],
  )
  await t.throwsAsync(session.send('make it again', [meter(0)]), {
    code: 'PUR_OPENFLOW_REFUSED',
    message: /make it again: .*the meter exists already/,
  })
  await session.send('delete it', [meter(2)])
  t.deepEqual(await session.meters(), [])
})

test.serial('changes of others are told, our own are not', async (t) => {
  t.true(session.watches)
  const before = foreign
  await session.commit('ours', [flowAddition(flow({ priority: 9 }))], 5_000)
  await session.flows()
  t.is(foreign, before)
  await ofctl('add-flow', 'priority=6,actions=drop')
  await until(() => foreign > before)
  await session.commit('clear', [flowsDeletion(0x70n << 56n, 0xffn << 56n)], 5_000)
  const left = (await session.flows()).map(({ priority }) => priority).sort()
  t.deepEqual(left, [0, 6], 'what has another cookie stays')
})

test.serial('a bundle of 10,000 flows is one change', async (t) => {
  const flows = Array.from({ length: 10_000 }, (_none, index) =>
    flowAddition(flow({ table: 9, match: [{ field: 'dl_dst', value: BigInt(index) }] })),
  )
  const startMs = performance.now()
  await session.commit('many', flows, 30_000)
  t.log(`${Math.round(performance.now() - startMs)} ms`)
  t.is((await session.flows()).filter(({ table }) => table === 9).length, 10_000)
})

test.serial(
  'a bridge that goes ends the connection, and a call on it fails readably',
  async (t) => {
    await host.vsctl('del-br', 'br0')
    await session.closed
    await t.throwsAsync(session.flows(), {
      code: 'PUR_OVS_UNREACHABLE',
      message: /br0\.mgmt cannot be read or changed: it closed the connection/,
    })
  },
)
