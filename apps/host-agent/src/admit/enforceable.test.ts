import { type Manifest, type PortGroupSpec, portGroupSpec, virtualMachine } from '@purlin/schema'
import test from 'ava'
import { unenforceableNics } from './enforceable.ts'

const portGroups = new Map<string, PortGroupSpec>([
  ['plain', portGroupSpec.parse({ switch: 'dvs0', vlan: 100 })],
  ['tagged', portGroupSpec.parse({ switch: 'dvs0', vlan: 100, trunk: [7, 8] })],
  ['apart', portGroupSpec.parse({ switch: 'dvs0', vlan: 100, isolated: true })],
])

function machineOn(nic: object): Manifest<'VirtualMachine'> {
  const spec = { cpus: 1, memoryMiB: 128, image: 'probe', nics: [{ name: 'eth0', ...nic }] }
  return virtualMachine.parse({ kind: 'VirtualMachine', name: 'web-1', spec })
}

test('groups on a trunk are refused, with the field and the ways out', (t) => {
  const machine = machineOn({ portGroup: 'tagged', securityGroups: ['web'] })
  const [problem] = unenforceableNics([machine], portGroups)
  t.is(problem?.path, 'VirtualMachine web-1: spec.nics[0].securityGroups')
  t.regex(problem?.message ?? '', /port group tagged is a trunk.*allowUnfiltered/)
})

test('a NIC closed without groups is refused on a trunk too', (t) => {
  const machine = machineOn({ portGroup: 'tagged', defaultPolicy: { withoutGroups: 'deny' } })
  t.is(unenforceableNics([machine], portGroups).length, 1)
})

test('a direct port in an isolated port group is refused; a filterable one is not', (t) => {
  const direct = machineOn({ portGroup: 'apart', port: 'direct' })
  const [problem] = unenforceableNics([direct, machineOn({ portGroup: 'apart' })], portGroups)
  t.is(problem?.path, 'VirtualMachine web-1: spec.nics[0].port')
  t.regex(problem?.message ?? '', /port group apart is isolated.*leave port out/)
  t.is(unenforceableNics([direct, machineOn({ portGroup: 'apart' })], portGroups).length, 1)
})

test('no groups, no trunk, or a NIC that knows: nothing to refuse', (t) => {
  const machines = [
    machineOn({ portGroup: 'tagged' }),
    machineOn({ portGroup: 'plain', securityGroups: ['web'] }),
    machineOn({ portGroup: 'tagged', securityGroups: ['web'], allowUnfiltered: true }),
  ]
  t.deepEqual(unenforceableNics(machines, portGroups), [])
})
