import type { HostCapacity, Manifest } from '@purlin/schema'
import test from 'ava'
import { type HostRooms, refuseBeyondHosts } from './refuse-beyond.ts'

const capacity: HostCapacity = {
  ...{ cpus: 4, memoryMiB: 8_192, reservedCpus: 1, reservedMemoryMiB: 1_024 },
  ...{ cpuRatio: 2, memoryRatio: 1 },
}
const rooms = (foreign = { cpus: 0, memoryMiB: 0 }): HostRooms =>
  new Map([['one', { capacity, foreign }]])

function machine(name: string, spec: object): Manifest {
  const all = { cpus: 1, memoryMiB: 512, image: 'probe', powerState: 'running', ...spec }
  return { kind: 'VirtualMachine', name, spec: { disks: [], nics: [], ...all } } as Manifest
}

const judge = (before: readonly Manifest[], after: readonly Manifest[], foreign?: object) => () =>
  refuseBeyondHosts(before, after, rooms(foreign as never), 'one')

test('what fits to the last MiB and processor is taken, one more is refused with the figures', (t) => {
  const full = machine('a', { cpus: 6, memoryMiB: 7_168 })
  t.notThrows(judge([], [full]))
  const cpus = t.throws(judge([full], [full, machine('b', { cpus: 1, memoryMiB: 0 })]))
  t.like(cpus, { code: 'PUR_HOST_CAPACITY' })
  t.is(
    cpus?.message,
    'host one: its machines would be promised 7 processors, 1 more than now, and its limit is 6: 4 less 1 for the host itself, 2 times; stop machines there, name another host, or change capacity.cpuRatio of its agent; nothing was applied',
  )
  const memory = t.throws(judge([], [machine('a', { memoryMiB: 7_169 })]))
  t.regex(memory?.message ?? '', /7169 MiB of memory, 7169 more than now, and its limit is 7168:/)
})

test('machines that are off need no host, and starting one is judged', (t) => {
  const off = machine('a', { memoryMiB: 9_000, powerState: 'stopped' })
  const saved = machine('b', { memoryMiB: 9_000, powerState: 'suspended' })
  t.notThrows(judge([], [off, saved]))
  const running = machine('a', { memoryMiB: 9_000 })
  t.throws(judge([off], [running]), { code: 'PUR_HOST_CAPACITY' })
  const paused = machine('a', { memoryMiB: 9_000, powerState: 'paused' })
  t.throws(judge([off], [paused]), { code: 'PUR_HOST_CAPACITY' })
})

test('a host beyond its limit takes every change that adds nothing', (t) => {
  const large = machine('a', { cpus: 8, memoryMiB: 9_000 })
  const small = machine('b', {})
  t.notThrows(judge([large, small], [large]))
  t.notThrows(judge([large, small], [large, machine('b', { powerState: 'stopped' })]))
  t.notThrows(judge([large], [machine('a', { cpus: 7, memoryMiB: 9_000 })]))
  t.throws(judge([large], [large, small]), { code: 'PUR_HOST_CAPACITY' })
})

test('foreign domains have their share, and the refusal names it', (t) => {
  const strangers = { cpus: 5, memoryMiB: 100 }
  t.notThrows(judge([], [machine('a', {})], strangers))
  t.throws(judge([], [machine('a', { cpus: 2 })], strangers), {
    message: /7 processors, 5 of them to foreign domains, 2 more/,
  })
})

test('machines count where they are to be: on the host they name, or on the one that takes them', (t) => {
  const elsewhere = machine('a', { host: 'two', memoryMiB: 90_000 })
  t.notThrows(judge([], [elsewhere]), 'nothing is known of host two')
  t.throws(judge([elsewhere], [machine('a', { host: 'one', memoryMiB: 90_000 })]))
  t.throws(judge([], [machine('a', { memoryMiB: 90_000 })]))
})
