import type { FabricMatrix } from '@purlin/schema'
import type { Cell, Table } from '../output/table.ts'

const tones = { reachable: 'good', 'mtu-too-small': 'careful', dropped: 'bad' } as const

/** What becomes of frames between hosts: a row for each network and uplink, a column for each host
 *  that may hear them. Pure. */
export function fabricTable({ paths, absent, mtu }: FabricMatrix): Table {
  const hosts = [...new Set(paths.map(({ to }) => to))].toSorted()
  const ways = new Map(
    paths.map(({ vlan, from, uplink }) => [`${vlan} ${from} ${uplink}`, { vlan, from, uplink }]),
  )
  const rows = [...ways.values()].map(({ vlan, from, uplink }): Cell[] => [
    vlan === 0 ? 'untagged' : String(vlan),
    from,
    uplink,
    ...hosts.map((to): Cell => {
      const path = paths.find(
        (one) => one.vlan === vlan && one.from === from && one.uplink === uplink && one.to === to,
      )
      if (path === undefined) return '-'
      const { state } = path
      const text = state === 'mtu-too-small' ? `MTU less than ${mtu}` : state
      return { text, tone: tones[state] }
    }),
  ])
  for (const { host, reason } of absent) {
    rows.push(['-', host, { text: `took no part: ${reason}`, tone: 'careful' }])
  }
  return {
    columns: ['VLAN', 'FROM', 'UPLINK', ...hosts.map((host) => `TO ${host}`)],
    rows,
    empty: 'no other host is there, or the switch has no port group',
  }
}
