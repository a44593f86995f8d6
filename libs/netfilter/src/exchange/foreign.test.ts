import { readFileSync } from 'node:fs'
import { PurlinError } from '@purlin/base'
import { type SecurityGroupSpec, securityGroupSpec } from '@purlin/schema'
import test from 'ava'
import { type PlannedImport, planImport } from './import.ts'

const example = (name: string): string =>
  readFileSync(new URL(`../../../../examples/import/${name}.json`, import.meta.url), 'utf8')

function imported(text: string, groups: Readonly<Record<string, string>> = {}): PlannedImport {
  const request = {
    text,
    fileName: 'rules.json',
    replace: true,
    keepRedundant: false,
    groups: new Map(Object.entries(groups)),
  }
  return planImport(request, {
    name: 'web',
    spec: securityGroupSpec.parse({ allowWithinGroup: false }),
    hasGroup: (name) => ['web', 'lb', 'app'].includes(name),
  })
}

/** Lines and messages of what is refused. */
function refusal(text: string, groups: Readonly<Record<string, string>> = {}): string[] {
  try {
    imported(text, groups)
  } catch (thrown) {
    if (!(thrown instanceof PurlinError)) throw thrown
    return thrown.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`)
  }
  return []
}

/** A list short enough to read: every field but those that are as always. */
function shown(spec: SecurityGroupSpec, direction: 'inbound' | 'outbound'): object[] {
  return spec[direction].map((rule) => {
    const { enabled, log: _log, id: _id, ...rest } = rule
    const peer =
      'source' in rest ? rest.source : 'destination' in rest ? rest.destination : undefined
    const named = Object.entries(peer ?? {}).filter(
      ([, value]) => value !== false && (value === true || value.length > 0),
    )
    const {
      source: _source,
      destination: _destination,
      ...plain
    } = { source: 0, destination: 0, ...rest }
    return {
      ...plain,
      ...(peer && { peer: Object.fromEntries(named) }),
      ...(!enabled && { enabled }),
    }
  })
}

test('rules of OpenStack’s client become rules that allow, in the order of the file', (t) => {
  const { spec, plan } = imported(example('openstack'), {
    '7d3c1f1e-93f5-4c59-8f0e-1f6d5c2b9aaa': 'self',
  })
  t.is(plan.format, 'openstack')
  t.is(spec.inbound[0]?.id, '0a4f2a4e-5c1b-4f53-9a38-0f6f3a4a2d01')
  t.deepEqual(shown(spec, 'inbound'), [
    { family: 'ipv4', protocol: 'tcp', ports: ['443'], action: 'allow' },
    {
      family: 'ipv4',
      protocol: 'tcp',
      ports: ['8000-8010'],
      peer: { cidrs: ['10.20.0.0/16'] },
      action: 'allow',
    },
    { family: 'ipv4', protocol: 'icmp', icmp: { type: 3, code: 4 }, action: 'allow' },
    { family: 'ipv6', protocol: 'icmp', icmp: { type: 128 }, action: 'allow' },
    { family: 'ipv4', protocol: 112, peer: { self: true }, action: 'allow' },
  ])
  t.deepEqual(shown(spec, 'outbound'), [{ family: 'ipv4', protocol: 'all', action: 'allow' }])
})

test('what OpenStack has and rules here have not is refused by its line', (t) => {
  t.deepEqual(refusal(example('openstack')), [
    '49 [4].Remote Security Group: group 7d3c1f1e-93f5-4c59-8f0e-1f6d5c2b9aaa of the file is not known here; say which it is: 7d3c1f1e-93f5-4c59-8f0e-1f6d5c2b9aaa=NAME, or 7d3c1f1e-93f5-4c59-8f0e-1f6d5c2b9aaa=self',
  ])
  const row = (fields: object): string =>
    JSON.stringify([
      { ID: 'a', 'IP Protocol': 'tcp', Ethertype: 'IPv4', Direction: 'ingress', ...fields },
    ])
  const told = (fields: object): string => refusal(row(fields)).join('; ')
  t.regex(told({ 'Remote Address Group': 'ag' }), /address groups cannot be expressed/)
  t.regex(told({ 'IP Protocol': 'dccp', 'Port Range': '1:2' }), /protocol 33 has no ports/)
  t.regex(told({ 'IP Protocol': 'icmpv6' }), /protocol "icmpv6" is not known with ipv4/)
  t.regex(told({ 'IP Range': '10.0.0.1/8' }), /IP Range: has bits behind its prefix/)
  t.regex(told({ 'IP Range': 'fd00::/8' }), /IP Range: is ipv6, but the rule's family is ipv4/)
  t.regex(told({ 'Port Range': '80:' }), /must be FIRST:LAST/)
  t.regex(told({ 'IP Protocol': 'icmp', 'Port Range': ':code=0' }), /must be FIRST:LAST/)
  t.regex(told({ Direction: null }), /must be ingress or egress, found ""/)
  t.regex(told({ Stateful: 'no' }), /unknown field: what it says would be lost/)
  t.is(told({ Stateful: null }), '')
})

test('every source of an AWS permission becomes a rule with its own description', (t) => {
  const { spec, plan } = imported(example('aws'), { 'sg-0fedcba9876543210': 'lb' })
  t.is(plan.format, 'aws')
  t.deepEqual(shown(spec, 'inbound'), [
    { family: 'ipv4', protocol: 'tcp', ports: ['80'], action: 'allow', description: 'everyone' },
    { family: 'ipv6', protocol: 'tcp', ports: ['80'], action: 'allow' },
    {
      family: 'ipv4',
      protocol: 'tcp',
      ports: ['22-23'],
      peer: { cidrs: ['203.0.113.0/24'] },
      action: 'allow',
      description: 'office',
    },
    {
      family: 'ipv4',
      protocol: 'icmp',
      icmp: { type: 8 },
      peer: { cidrs: ['10.0.0.0/8'] },
      action: 'allow',
    },
    ...['ipv4', 'ipv6'].map((family) => ({
      family,
      protocol: 'all',
      peer: { self: true },
      action: 'allow',
    })),
    ...['ipv4', 'ipv6'].map((family) => ({
      family,
      protocol: 'all',
      peer: { groups: ['lb'] },
      action: 'allow',
      description: 'from the load balancer',
    })),
  ])
  t.deepEqual(shown(spec, 'outbound'), [{ family: 'ipv4', protocol: 'all', action: 'allow' }])
})

test('what AWS has and rules here have not is refused by its line', (t) => {
  const withList = example('aws').replace(
    '"PrefixListIds": [],',
    '"PrefixListIds": [{ "PrefixListId": "pl-1" }],',
  )
  t.deepEqual(refusal(withList, { 'sg-0fedcba9876543210': 'lb' }), [
    '21 SecurityGroups[0].IpPermissions[0].PrefixListIds[0]: prefix lists cannot be expressed; write their networks as IpRanges',
  ])
  t.regex(
    refusal(example('aws')).join(),
    /^64 [^,]*group sg-0fedcba9876543210 of the file is not known/,
  )
  const group = (permission: object): string =>
    JSON.stringify({ SecurityGroups: [{ GroupId: 'sg-1', IpPermissions: [permission] }] })
  t.regex(refusal(group({ IpProtocol: '-1' })).join(), /names nobody/)
  t.regex(
    refusal(group({ IpProtocol: 'icmp', Ipv6Ranges: [{ CidrIpv6: '::/0' }] })).join(),
    /protocol "icmp" is not known with ipv6/,
  )
  const two = JSON.stringify({ SecurityGroups: [{ GroupId: 'sg-1' }, { GroupId: 'sg-2' }] })
  t.regex(refusal(two).join(), /2 groups; say which one of the file is meant; it has: sg-1, sg-2/)
})

test('ZStack’s priorities 1 to n become ours in their order; its priority 0 is the members rule', (t) => {
  const { spec, plan } = imported(example('zstack'), { '7c224d3f5ad74520ac4dd6c81def0d8e': 'app' })
  t.is(plan.format, 'zstack')
  t.false(spec.allowWithinGroup)
  t.deepEqual(shown(spec, 'inbound'), [
    {
      family: 'ipv4',
      protocol: 'tcp',
      ports: ['1000'],
      peer: { addresses: ['10.0.0.9'] },
      action: 'deny',
    },
    {
      family: 'ipv4',
      protocol: 'tcp',
      ports: ['1000', '1002-1005'],
      peer: {
        cidrs: ['10.1.1.0/24'],
        addresses: ['10.0.0.1'],
        ranges: ['10.0.0.2-10.0.0.20'],
      },
      action: 'allow',
      description: 'the clients',
    },
    {
      family: 'ipv6',
      protocol: 'icmp',
      peer: { groups: ['app'] },
      action: 'allow',
      enabled: false,
    },
  ])
  t.deepEqual(shown(spec, 'outbound'), [
    { family: 'ipv4', protocol: 'udp', ports: ['53'], action: 'allow' },
  ])
})

test('what ZStack has and rules here have not is refused by its line', (t) => {
  const row = (fields: object): string =>
    JSON.stringify([{ type: 'Ingress', protocol: 'TCP', ipVersion: 4, ...fields }])
  const told = (fields: object): string => refusal(row(fields)).join('; ')
  t.is(told({}), '')
  t.regex(told({ srcPortRange: '1000' }), /source ports cannot be expressed/)
  t.regex(told({ dstIpRange: '10.0.0.1' }), /inbound rules name the other end, srcIpRange/)
  t.regex(told({ action: 'RETURN' }), /must be ACCEPT or DROP, found "RETURN"/)
  t.regex(told({ priority: 2 }), /must be 1, found 2: priorities are unique and have no gaps/)
  t.regex(told({ allowedCidr: '192.168.0.1/0' }), /has bits behind its prefix/)
  t.regex(told({ dstPortRange: '1', startPort: 2, endPort: 2 }), /at once cannot be expressed/)
  t.regex(
    told({ remoteSecurityGroupUuid: 'x', srcIpRange: '10.0.0.1' }),
    /a group and the addresses 10.0.0.1 at once cannot be expressed/,
  )
  const members = ['Enabled', 'Disabled'].map((state) => ({ type: 'Ingress', priority: 0, state }))
  t.regex(refusal(JSON.stringify(members)).join(), /rules of priority 0 differ/)
})
