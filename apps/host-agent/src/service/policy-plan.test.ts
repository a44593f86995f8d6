import { PurlinError, parseAddress } from '@purlin/base'
import {
  allGuards,
  allOpen,
  type FilteredNic,
  type NetfilterDesired,
  type TrackedConnection,
} from '@purlin/netfilter'
import { securityGroupSpec } from '@purlin/schema'
import test from 'ava'
import { policyPlan } from './policy-plan.ts'

function nic(number: number, groups: readonly string[]): FilteredNic {
  return {
    port: `vm-${number}.eth0`,
    tap: `ptap-${number}`,
    inner: `pin-${number}`,
    zone: number,
    mac: `52:54:00:00:00:0${number}`,
    ipv4: [`10.0.0.${number}`],
    ipv6: [],
    groups,
    filtered: groups.length > 0,
    defaultPolicy: { inbound: 'deny', outbound: 'allow' },
    guards: allGuards,
    alwaysOpen: allOpen,
    allowedAddresses: [],
    servers: [],
    trunk: false,
  }
}

function policy(ports: readonly string[]): NetfilterDesired {
  const inbound = [{ family: 'ipv4', protocol: 'tcp', ports, action: 'allow' }]
  const web = securityGroupSpec.parse({ allowWithinGroup: false, inbound })
  return {
    nics: [nic(1, ['web']), nic(2, ['web']), nic(3, [])],
    groups: new Map([['web', web]]),
    members: new Map(),
  }
}

const address = (text: string): bigint => parseAddress(text)?.value ?? 0n

function connection(zone: number, destinationPort: number): TrackedConnection {
  return {
    zone,
    mark: 0,
    original: {
      family: 'ipv4',
      protocol: 6,
      source: address('192.0.2.1'),
      destination: address(`10.0.0.${zone}`),
      sourcePort: 40_000,
      destinationPort,
    },
  }
}

test('a plan tells what is newly allowed and denied, NICs with equal lists together', async (t) => {
  const plan = await policyPlan(policy(['80-81']), policy(['81-82']), async () => [])
  const common = {
    nics: ['vm-1/eth0', 'vm-2/eth0'],
    direction: 'inbound',
    family: 'ipv4',
    protocols: ['tcp'],
  } as const
  t.deepEqual(plan, {
    newlyAllowed: [
      { ...common, destinationPorts: ['82'], before: 'default', after: 'web/inbound/0' },
    ],
    newlyDenied: [
      { ...common, destinationPorts: ['80'], before: 'web/inbound/0', after: 'default' },
    ],
    complete: true,
    connectionsToEnd: [],
  })
})

test('connections that the new policy refuses are named, and no other', async (t) => {
  const asked: number[][] = []
  const plan = await policyPlan(policy(['80', '81']), policy(['81']), async (zones) => {
    asked.push([...zones])
    return [connection(1, 80), connection(2, 81), connection(3, 80)]
  })
  t.deepEqual(asked, [[1, 2, 3]])
  t.deepEqual(plan.connectionsToEnd, [
    {
      nic: 'vm-1/eth0',
      family: 'ipv4',
      protocol: 'tcp',
      source: '192.0.2.1',
      sourcePort: 40_000,
      destination: '10.0.0.1',
      destinationPort: 80,
    },
  ])
})

test('where the connections cannot be read, the rest is told all the same', async (t) => {
  const plan = await policyPlan(policy(['80']), policy(['80']), async () => {
    throw new PurlinError('PUR_NFT_UNREADABLE', { message: 'no privilege' })
  })
  t.is(plan.unread, 'no privilege')
})
