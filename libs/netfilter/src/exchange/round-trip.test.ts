import {
  type RuleFormat,
  ruleFormats,
  type SecurityGroupSpec,
  securityGroupSpec,
} from '@purlin/schema'
import test from 'ava'
import fc from 'fast-check'
import { exportRules } from './export.ts'
import { type PlannedImport, planImport } from './import.ts'

const address = {
  ipv4: fc.nat({ max: 255 }).map((last) => `10.0.0.${last}`),
  ipv6: fc.nat({ max: 65_535 }).map((last) => `fd00::${last.toString(16)}`),
}
const networks = { ipv4: ['10.0.0.0/8', '0.0.0.0/0'], ipv6: ['fd00::/64', '::/0'] }
const spans = { ipv4: ['10.0.0.1-10.0.0.9'], ipv6: ['fd00::1-fd00::9'] }
const some = <Value>(value: fc.Arbitrary<Value>) => fc.array(value, { minLength: 1, maxLength: 3 })

function peer(family: 'ipv4' | 'ipv6') {
  const parts = fc.record(
    {
      cidrs: some(fc.constantFrom(...networks[family])),
      addresses: some(address[family]),
      ranges: some(fc.constantFrom(...spans[family])),
      groups: some(fc.constantFrom('web', 'app', 'db-2')),
      self: fc.boolean(),
    },
    { requiredKeys: [] },
  )
  return parts.filter((one) => Object.values(one).some((value) => value !== false))
}

const detail = fc.oneof(
  fc.record(
    {
      protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
      ports: some(fc.constantFrom('0', '80', '8000-8010', '65535', '00080')),
    },
    { requiredKeys: ['protocol'] },
  ),
  fc.record(
    {
      protocol: fc.constant('icmp'),
      icmp: fc.record(
        { type: fc.nat({ max: 255 }), code: fc.nat({ max: 255 }) },
        { requiredKeys: ['type'] },
      ),
    },
    { requiredKeys: ['protocol'] },
  ),
  fc.record({ protocol: fc.oneof(fc.constant('all'), fc.nat({ max: 255 })) }),
)
const words = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('', ' ', 'a,b', '"', 'two\nlines', '\r\n', '=1+1', 'null', '#', '- x', '\uFEFF'),
)

function rule(side: 'source' | 'destination') {
  return fc
    .tuple(
      fc
        .constantFrom('ipv4' as const, 'ipv6' as const)
        .chain((family) =>
          fc.record(
            { family: fc.constant(family), [side]: peer(family) },
            { requiredKeys: ['family'] },
          ),
        ),
      detail,
      fc.record(
        {
          action: fc.constantFrom('allow', 'deny'),
          enabled: fc.boolean(),
          log: fc.boolean(),
          description: words,
        },
        { requiredKeys: ['action'] },
      ),
    )
    .map((parts): object => Object.assign({}, ...parts))
}

const group = fc
  .tuple(
    fc.array(rule('source'), { maxLength: 5 }),
    fc.array(rule('destination'), { maxLength: 5 }),
    fc.boolean(),
  )
  .map(([inbound, outbound, named]): SecurityGroupSpec => {
    const withId = (prefix: string) => (one: object, index: number) =>
      named ? { id: `${prefix}-${index}`, ...one } : one
    return securityGroupSpec.parse({
      inbound: inbound.map(withId('in')),
      outbound: outbound.map(withId('out')),
    })
  })

const empty = securityGroupSpec.parse({})

function imported(text: string, format?: RuleFormat): PlannedImport {
  const request = { text, fileName: 'rules', format, groups: new Map() }
  const grounds = { name: 'web', spec: empty, hasGroup: () => true }
  return planImport({ ...request, replace: true, keepRedundant: true }, grounds)
}

for (const format of ruleFormats) {
  test(`what is exported as ${format} is imported equal in every field`, (t) => {
    fc.assert(
      fc.property(group, (spec) => {
        const read = imported(exportRules('web', spec, format), format)
        t.deepEqual(read.spec, spec)
      }),
    )
  })
}

test('the form of a file is told by its text', (t) => {
  const spec = securityGroupSpec.parse({
    inbound: [{ family: 'ipv4', protocol: 'all', action: 'deny', description: 'a, "b"' }],
  })
  for (const format of ruleFormats) {
    const { plan } = imported(exportRules('web', spec, format))
    t.is(plan.format, format)
    t.deepEqual(plan.inbound, spec.inbound)
  }
})
