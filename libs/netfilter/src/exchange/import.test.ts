import { PurlinError } from '@purlin/base'
import { type SecurityGroupSpec, securityGroupSpec } from '@purlin/schema'
import test from 'ava'
import { type ImportRequest, type PlannedImport, planImport } from './import.ts'

const standing = securityGroupSpec.parse({
  inbound: [{ id: 'ssh', family: 'ipv4', protocol: 'tcp', ports: ['22'], action: 'allow' }],
})

function imported(text: string, more: Partial<ImportRequest> = {}): PlannedImport {
  const request = { text, fileName: 'rules', groups: new Map(), replace: false, ...more }
  return planImport(
    { keepRedundant: false, ...request },
    {
      name: 'web',
      spec: standing,
      hasGroup: (name) => name === 'web' || name === 'app',
    },
  )
}

function refusal(text: string, more: Partial<ImportRequest> = {}): string[] {
  try {
    imported(text, more)
  } catch (thrown) {
    if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_INVALID') throw thrown
    return thrown.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`)
  }
  return []
}

const ports = (spec: SecurityGroupSpec): string => spec.inbound.map((rule) => rule.ports).join(' ')

test('every problem of a file is told with its line, and nothing is taken', (t) => {
  const yaml = `inbound:
  - { family: ipv4, protocol: tcp, ports: ["99999"], action: allow }
  - family: ipv4
    protocol: tpc
    action: allow
  - family: ipv4
    protocol: all
    source:
      cidrs: [10.0.0.0/8, 10.0.0.1/8]
      addresses: ["fd00::1"]
    action: allow
  - { family: ipv4, protocol: icmp, ports: ["1"], action: allow }
outbound:
  - { family: ipv6, protocol: all, destination: { groups: [app, none] }, action: deny, prio: 1 }
sideways: []
`
  t.deepEqual(refusal(yaml), [
    '2 inbound[0].ports[0]: must be a port "80" or a range "8000-8010" within 0 to 65535, found "99999"',
    '4 inbound[1].protocol: Invalid option: expected one of "all"|"tcp"|"udp"|"sctp"|"icmp", or Invalid input: expected number, received string',
    '9 inbound[2].source.cidrs[1]: has bits behind its prefix; the network is 10.0.0.0/8',
    "10 inbound[2].source.addresses[0]: is ipv6, but the rule's family is ipv4",
    '12 inbound[3].ports: protocol icmp has no ports; ports go with tcp, udp and sctp',
    '14 outbound[0].prio: unknown field',
    '15 sideways: unknown field; known: securityGroup, inbound, outbound',
  ])
})

test('a line of CSV is told with the line and the column', (t) => {
  const head = 'direction,priority,action,family,protocol,ports,cidrs,description\n'
  const rows = [
    'inbound,0,allow,ipv4,tcp,80,10.0.0.0/8,"two\nlines"',
    'inbound,1,permit,ipv4,tcp,80,,',
    'inbound,3,allow,ipv4,tcp,81,,',
    'sideways,,allow,ipv4,tcp,82,,',
    'inbound,3,allow,ipv4,udp,99999,10.0.0.1/8,',
  ]
  t.deepEqual(refusal(`${head}${rows.join('\n')}\n`), [
    '4 action: invalid option: expected one of "allow"|"deny"',
    '5 priority: must be 2, as the inbound rules stand, found 3: priorities are unique and have no gaps',
    '6 direction: must be inbound or outbound, found "sideways"',
    '7 ports: must be a port "80" or a range "8000-8010" within 0 to 65535, found "99999"',
    '7 cidrs: has bits behind its prefix; the network is 10.0.0.0/8',
  ])
  t.deepEqual(refusal('direction,action,family,protocol,prio\n'), [
    '1 prio: unknown column; known: direction, priority, id, action, family, protocol, ports, icmpType, icmpCode, cidrs, addresses, ranges, groups, self, enabled, log, description',
  ])
})

test('a text that cannot be read is told with its line', (t) => {
  t.regex(refusal('inbound:\n  - {family: ipv4\n').join(), /^3 : not JSON or YAML/)
  t.regex(refusal('{"inbound": [}').join(), /^1 : not JSON or YAML/)
  t.regex(refusal('direction,action,family,protocol\n"x').join(), /^2 : a quote is out of place/)
  t.regex(refusal('').join(), /must be a mapping with inbound and outbound/)
})

const http = '{"family":"ipv4","protocol":"tcp","ports":["80"],"action":"allow"}'
const ssh = '{"family":"ipv4","protocol":"tcp","ports":["22"],"action":"allow"}'

test('rules go behind the ones there are, or in their place', (t) => {
  const { spec, plan } = imported(`{"inbound":[${http}]}`)
  t.is(ports(spec), '22 80')
  t.deepEqual([plan.add.inbound, plan.remove.inbound], [1, 0])
  const replaced = imported(`{"inbound":[${http}]}`, { replace: true })
  t.is(ports(replaced.spec), '80')
  t.deepEqual([replaced.plan.add.inbound, replaced.plan.remove.inbound], [1, 1])
})

test('a rule that is there twice, or can never match, is told with its line and refused', (t) => {
  const shadowed = http.replace('"80"', '"80","22"').replace('allow', 'deny')
  const text = `{"inbound":[\n${http},\n${http.replace('}', ',"description":"again"}')},\n${ssh},\n${shadowed}]}`
  const told = [
    '3 inbound[1]: duplicate: the same rule as line 2',
    '4 inbound[2]: duplicate: the same rule as the inbound rule 0 of web',
    '5 inbound[3]: never matches: all of its packets are decided before it, by rule 0 and rule 1 together (line 2)',
  ]
  t.deepEqual(refusal(text), told)
  const { spec, plan } = imported(text, { keepRedundant: true })
  t.is(ports(spec), '22 80 80 22 80,22')
  t.deepEqual(
    plan.notes.map(({ line, path, message }) => `${line} ${path}: ${message}`),
    told,
  )
})

test('an id that another rule has is refused, unless that rule goes', (t) => {
  const text = `{"inbound":[\n${http.replace('{', '{"id":"ssh",')}]}`
  t.deepEqual(refusal(text), [
    '2 inbound[0].id: id ssh is that of the inbound rule 0 of web; leave it out',
  ])
  t.is(imported(text, { replace: true }).spec.inbound[0]?.id, 'ssh')
})

test('groups of a file are known here, or mapped', (t) => {
  const text = `{"inbound":[${http.replace('}', ',"source":{"groups":["app","front"]}}')}]}`
  t.deepEqual(refusal(text), [
    '1 inbound[0].source.groups[1]: no SecurityGroup named front; make it first, or say which it is: front=NAME',
  ])
  const groups = new Map([['front', 'self']])
  const peer = imported(text, { groups }).spec.inbound[1]?.source
  t.deepEqual([peer?.groups, peer?.self], [['app'], true])
})
