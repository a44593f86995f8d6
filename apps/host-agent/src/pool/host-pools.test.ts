import type { HostCapacity, Manifest } from '@purlin/schema'
import test from 'ava'
import { sumOfFigures } from './capacity.ts'
import { hostPools, hostRooms } from './host-pools.ts'

const capacity: HostCapacity = {
  ...{ cpus: 8, memoryMiB: 16_384, reservedCpus: 0, reservedMemoryMiB: 384 },
  ...{ cpuRatio: 4, memoryRatio: 1.5 },
}
const machine = (name: string, spec: object): Manifest =>
  ({ kind: 'VirtualMachine', name, spec: { powerState: 'running', ...spec } }) as Manifest
const stranger = { name: 'x', uuid: 'u', host: 'one', cpus: 2, memoryMiB: 1_000 }
const manifests = [
  machine('a', { cpus: 10, memoryMiB: 16_000, host: 'one' }),
  machine('b', { cpus: 4, memoryMiB: 4_000, host: 'one', powerState: 'stopped' }),
  machine('c', { cpus: 1, memoryMiB: 512 }),
]

test('a host’s pool has its totals, limits, what is promised, and what of that is overcommitted', (t) => {
  const known = [
    { host: 'one', present: true, capacity },
    { host: 'two', present: false, capacity },
  ]
  const foreign = [{ ...stranger, state: 'running' as const }]
  const [one, two] = hostPools(known, manifests, foreign, 'two')
  t.like(one, { machines: 2, activeMachines: 1, present: true })
  t.deepEqual(one?.cpus, { total: 8, limit: 32, reserved: 12, overcommitted: 4 })
  t.deepEqual(one?.memoryMiB, {
    ...{ total: 16_384, limit: 24_000, reserved: 17_000, overcommitted: 1_000 },
  })
  t.like(two, { machines: 1, activeMachines: 1, present: false })
  t.deepEqual(two?.memoryMiB, {
    ...{ total: 16_384, limit: 24_000, reserved: 512, overcommitted: 0 },
  })
})

test('a foreign domain that is off needs nothing; a host of unknown capacity is not judged', (t) => {
  const known = [{ host: 'one', present: true }]
  const foreign = [{ ...stranger, state: 'stopped' as const }]
  const [one] = hostPools(known, manifests, foreign, 'one')
  t.deepEqual(one?.cpus, { total: 0, limit: 0, reserved: 11, overcommitted: 0 })
  t.is(hostRooms(known, foreign).size, 0)
})

test('the fleet is the sum of its hosts; what is used is of those that are measured', (t) => {
  const figure = { total: 8, limit: 32, reserved: 1.1, overcommitted: 0 }
  t.deepEqual(sumOfFigures([{ ...figure, used: 0.25 }, figure]), {
    ...{ total: 16, limit: 64, reserved: 2.2, overcommitted: 0, used: 0.25 },
  })
  t.is(sumOfFigures([]).used, undefined)
})
