import type { NetfilterDesired } from '../../src/policy/desired.ts'
import { sampleGroup } from '../../src/testing/sample.ts'

/** The policy with other rules of `web`, which leave UDP ports 5353 and 54 as they were. */
export function alternatePolicy(desired: NetfilterDesired, round: number): NetfilterDesired {
  const web = desired.groups.get('web')
  if (web === undefined) throw new Error('the sample has a group web')
  const [first] = sampleGroup({
    inbound: [
      {
        family: 'ipv4',
        protocol: 'udp',
        ports: [`${10_000 + round}-${20_000 + round}`],
        source: { cidrs: ['10.9.0.0/28', '10.8.0.0/16'], self: true },
        action: 'deny',
      },
    ],
  }).inbound
  const inbound = first === undefined ? web.inbound : [first, ...web.inbound]
  return { ...desired, groups: new Map(desired.groups).set('web', { ...web, inbound }) }
}
