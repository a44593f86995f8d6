import { checkDocument, type SpecOf } from '@purlin/schema'
import test from 'ava'
import type { DiskStatus, PoolStatus } from '../control/messages.ts'
import { standingSteps } from './standing.ts'

const racks = (names: Readonly<Record<string, readonly string[]>>) => {
  const each = Object.entries(names).map(([rack, servers]) => ({ rack, servers }))
  const roots = [{ datacenter: 'd', rooms: [{ room: 'r', racks: each }] }]
  const { manifest } = checkDocument({ kind: 'Topology', name: 't', spec: { roots } })
  return [{ name: 't', spec: manifest?.spec as SpecOf<'Topology'> }]
}
const pool = (faultDomain: string) => {
  const disks = ['a', 'b'].map((name) => ({ name, server: `s${name}`, path: `/d/${name}` }))
  const spec = { redundancy: { replicas: 2 }, faultDomain, disks }
  const { manifest } = checkDocument({ kind: 'StoragePool', name: 'p', spec })
  return { name: 'p', spec: manifest?.spec as SpecOf<'StoragePool'> }
}
const seen = (name: string, rack: string, state: DiskStatus['state'] = 'online'): DiskStatus => ({
  ...{ disk: 0, name, domains: ['d', 'r', rack, `s${name}`], state },
  ...{ sizeBytes: 1, usedBytes: 0, errors: 0 },
})
const status = (faultDomain: 'server' | 'rack', disks: DiskStatus[]): PoolStatus => ({
  name: 'p',
  state: { phase: 'running' },
  engine: {
    ...{ policy: 'replicas 2', faultDomain, disks, volumes: [] },
    ...{ provisionedBytes: 0, logUsedBytes: 0, logBytes: 0, shortStripes: 0 },
    ...{ repairedChunks: 0, memoryBytes: 0 },
  },
})
const summaries = (...words: Parameters<typeof standingSteps>): string[] =>
  standingSteps(...words).map(({ summary }) => summary)

test('a pool that stands as it should is left alone, and so is a disk that is missing', (t) => {
  const stands = racks({ k1: ['sa'], k2: ['sb'] })
  const found = status('rack', [seen('a', 'k1'), seen('b', 'k2')])
  t.deepEqual(summaries(stands, pool('rack'), found), [])
  const away = status('rack', [seen('a', 'k1'), seen('b', 'k9', 'missing')])
  t.deepEqual(summaries(stands, pool('rack'), away), [])
})

test('another fault domain and servers that moved are taken over by one call in use', (t) => {
  const stands = racks({ k1: ['sa'], k2: ['sb'] })
  const lower = status('server', [seen('a', 'k1'), seen('b', 'k2')])
  t.deepEqual(summaries(stands, pool('rack'), lower), ['let pool p survive by the rack'])
  const crossed = status('rack', [seen('a', 'k2'), seen('b', 'k1')])
  t.deepEqual(summaries(stands, pool('rack'), crossed), ['let pool p know where a, b stands'])
  const [step] = standingSteps(stands, pool('rack'), status('server', [seen('a', 'k2')]))
  t.like(step, { call: 'pool-topology', words: { pool: 'p' } })
})
