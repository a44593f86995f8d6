import type { Manifest } from '@purlin/schema'
import type { Table } from '../output/table.ts'

/** What a router joins and where it leads, a line each. Pure. */
export function routerTable({ spec }: Manifest<'Router'>): Table {
  const { external } = spec
  return {
    columns: ['WHAT', 'WHERE', 'TO'],
    rows: [
      ...spec.portGroups.map((name) => ['port group', name, '']),
      ...spec.routes.map(({ to, via }) => ['route', to, via]),
      ...(external === undefined
        ? []
        : [
            ['outside', external.portGroup, external.nextHops.join(', ')],
            ...external.hosts.map(({ host, addresses }) => [
              external.snat ? 'leaves as' : 'address',
              addresses.join(', '),
              `host ${host}`,
            ]),
          ]),
      ...spec.floatingAddresses.map(({ address, to }) => ['floating', address, to]),
      ...spec.portForwards.map(({ address, protocol, ports, to, toPort }) => [
        'forward',
        `${address} ${protocol} ${ports}`,
        toPort === undefined ? to : `${to} port ${toPort}`,
      ]),
    ],
    empty: 'it joins nothing',
  }
}
