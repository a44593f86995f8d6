import test from 'ava'
import { readMachineCounters } from './machine-counters.ts'

/** As QEMU's driver of libvirt 9.0 tells it of a guest with a disk and a NIC. */
const VALUES = {
  'state.state': 1,
  'cpu.time': 2_500_000_000,
  'balloon.current': 131_072,
  'balloon.maximum': 262_144,
  'balloon.rss': 236_544,
  'vcpu.current': 1,
  'vcpu.maximum': 2,
  'vcpu.0.state': 1,
  'vcpu.0.time': 2_000_000_000,
  'net.count': 1,
  'net.0.name': 'tap-web-1',
  'net.0.rx.bytes': 1_234,
  'net.0.rx.pkts': 12,
  'net.0.tx.bytes': 5_678,
  'net.0.tx.drop': 3,
  'block.count': 1,
  'block.0.name': 'vda',
  'block.0.rd.reqs': 7,
  'block.0.rd.bytes': 28_672,
  'block.0.wr.bytes': 4_096,
}

test('counters of a domain are read from libvirt’s fields, and what it does not tell is 0', (t) => {
  t.deepEqual(readMachineCounters({ domain: 'web-1', values: VALUES }), {
    ...{ name: 'web-1', state: 1, cpus: 1, cpuSeconds: 2.5 },
    ...{ memoryBytes: 134_217_728, memoryMostBytes: 268_435_456, residentBytes: 242_221_056 },
    disks: [{ target: 'vda', reads: 7, writes: 0, readBytes: 28_672, writtenBytes: 4_096 }],
    nics: [
      {
        ...{ device: 'tap-web-1', receivedBytes: 1_234, receivedPackets: 12, receiveErrors: 0 },
        ...{ receiveDrops: 0, sentBytes: 5_678, sentPackets: 0, sendErrors: 0, sendDrops: 3 },
      },
    ],
  })
})

test('where there is no time of the domain, that of its processors counts', (t) => {
  const { 'cpu.time': _none, ...values } = VALUES
  t.is(readMachineCounters({ domain: 'web-1', values }).cpuSeconds, 2)
  t.like(readMachineCounters({ domain: 'test', values: { 'state.state': 1 } }), {
    ...{ cpuSeconds: 0, disks: [], nics: [] },
  })
})
