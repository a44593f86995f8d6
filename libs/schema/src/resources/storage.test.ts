import test from 'ava'
import { storagePoolSpec, topologySpec } from './storage.ts'

/** Problems as `path: message`. */
function problemsOf(schema: typeof topologySpec | typeof storagePoolSpec, value: object) {
  const { error } = schema.safeParse(value)
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`)
const rack = (name: string, servers: readonly string[] = []) => ({ rack: name, servers })
const rooms = (...racks: readonly object[]) => [{ room: 'r1', racks }]
const roots = (...rooms: readonly object[]) => ({ roots: [{ datacenter: 'd1', rooms }] })

test('a topology has 0 to 2 data centres, 100 rooms, 100 racks and 20 servers, each at its path', (t) => {
  const centres = names(3).map((datacenter) => ({ datacenter, rooms: [] }))
  t.deepEqual(problemsOf(topologySpec, { roots: centres }), [
    'roots: there are at most 2 data centres',
  ])
  const many = names(101).map((room) => ({ room, racks: [] }))
  t.deepEqual(problemsOf(topologySpec, roots(...many)), [
    'roots.0.rooms: a data centre has at most 100 rooms',
  ])
  const racks = names(101).map((name) => rack(name))
  t.deepEqual(problemsOf(topologySpec, roots(...rooms(...racks))), [
    'roots.0.rooms.0.racks: a room has at most 100 racks',
  ])
  t.deepEqual(problemsOf(topologySpec, roots(...rooms(rack('k1'), rack('k2', names(21))))), [
    'roots.0.rooms.0.racks.1.servers: a rack has at most 20 servers',
  ])
  t.deepEqual(problemsOf(topologySpec, { roots: [] }), [])
  t.deepEqual(problemsOf(topologySpec, roots(...rooms(rack('k1', names(20))))), [])
})

test('a server, a rack, a room and a data centre are named once', (t) => {
  t.deepEqual(problemsOf(topologySpec, roots(...rooms(rack('k1', ['s1']), rack('k1')))), [
    'roots.0.rooms.0.racks.1.rack: k1 is named twice',
  ])
  t.deepEqual(problemsOf(topologySpec, roots(...rooms(rack('k1', ['s1']), rack('k2', ['s1'])))), [
    'roots.0.rooms.0.racks.1.servers.0: s1 is named twice; a server stands in one rack',
  ])
})

for (const [redundancy, problem] of [
  [{ erasure: '4+2' }, undefined],
  [{ erasure: '17+2' }, 'K is 17 and must be 2 to 16'],
  [{ erasure: '1+1' }, 'K is 1 and must be 2 to 16'],
  [{ erasure: '4+5' }, 'M is 5 and must be 1 to 4'],
  [{ erasure: '4+2:3' }, 'B is 3 and must be 1 to 2, the parity shards'],
  [{ erasure: '4+2:0' }, 'B is 0 and must be 1 to 2, the parity shards'],
] as const) {
  test(`the redundancy ${redundancy.erasure}: ${problem ?? 'is taken'}`, (t) => {
    const found = problemsOf(storagePoolSpec, { redundancy, faultDomain: 'server' })
    t.deepEqual(found.length, problem === undefined ? 0 : 1)
    if (problem !== undefined) t.true(JSON.stringify(found).includes(problem), found[0])
  })
}

test('a folded policy does not have single disks as its fault domains', (t) => {
  const folded = { redundancy: { erasure: '4+2:1' } }
  t.deepEqual(problemsOf(storagePoolSpec, folded), [
    'faultDomain: must be server, rack or room: a folded policy puts several shards into one fault domain',
  ])
  t.deepEqual(problemsOf(storagePoolSpec, { ...folded, faultDomain: 'rack' }), [])
  t.deepEqual(problemsOf(storagePoolSpec, { redundancy: { erasure: '4+2:2' } }), [])
})

test('a disk is named once in its pool', (t) => {
  const disk = { name: 'd1', path: './d1.img', server: 's1' }
  const disks = [disk, { ...disk, media: 'hdd' }]
  t.deepEqual(problemsOf(storagePoolSpec, { redundancy: { replicas: 2 }, disks }), [
    'disks.1.name: d1 is named twice',
  ])
})
