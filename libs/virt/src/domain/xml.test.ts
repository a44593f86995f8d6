import { PurlinError } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { machineOf } from '../../tests/support/machines.ts'
import { differences } from './difference.ts'
import type { DomainSpec } from './domain-spec.ts'
import { readDomain } from './read.ts'
import { domainXml } from './xml.ts'

test('a TCG machine with direct kernel boot', (t) => {
  t.snapshot(domainXml(machineOf('web-1')))
})

test('a KVM machine with disks, two NICs and no kernel of its own', (t) => {
  const { boot: _boot, nics, ...rest } = machineOf('db-1', { accelerator: 'kvm', cpus: 4 })
  const second = {
    port: 'db-1.eth1',
    mac: '52:54:00:AA:00:02',
    bridgeDevice: 'br-db-1b',
    tapDevice: 'tap-db-1b',
    mtu: 9000,
  }
  const disks = [
    { target: 'vda', file: '/pool/db-1.qcow2', format: 'qcow2' as const },
    { target: 'vdb', file: '/pool/seed.raw', format: 'raw' as const, readonly: true },
  ]
  t.snapshot(domainXml({ ...rest, nics: [...nics, second], disks }))
})

const onVolume = {
  ...{ target: 'vda', attach: 'nbd' as const, name: 'root', volume: 'vol-a' },
  socket: '/run/b/vol-a.sock',
}

test('a disk on a volume stops the guest on errors, gives space back and has no page cache', (t) => {
  const file = { target: 'vdb', file: '/pool/seed.raw', format: 'raw' as const }
  const spec = machineOf('web-1', { disks: [onVolume, file] })
  const xml = domainXml(spec)
  t.snapshot(xml)
  const reading = readDomain(xml)
  if (reading === undefined) throw new Error('nothing read')
  t.deepEqual(differences(spec, reading), [])
  for (const change of [{ volume: 'vol-b' }, { socket: '/run/c/vol-a.sock' }, { name: 'data' }]) {
    const disks = [{ ...onVolume, ...change }, file]
    t.deepEqual(differences({ ...spec, disks }, reading), ['disks'])
  }
})

test('a disk by vhost-user shares the guest’s memory, comes back to its daemon and has a queue for each processor', (t) => {
  const socket = '/run/b/vol-a.vhost.sock'
  const disk = { ...onVolume, attach: 'vhost-user' as const, socket }
  const spec = machineOf('web-1', { cpus: 2, disks: [disk, { ...onVolume, target: 'vdb' }] })
  const xml = domainXml(spec)
  t.snapshot(xml)
  t.regex(domainXml({ ...spec, cpus: 96 }), / queues="64"/)
  const reading = readDomain(xml)
  if (reading === undefined) throw new Error('nothing read')
  t.deepEqual(differences(spec, reading), [])
  const changed = (change: object) => {
    const disks = [
      { ...disk, ...change },
      { ...onVolume, target: 'vdb' },
    ]
    return differences({ ...spec, disks }, reading)
  }
  t.deepEqual(changed({ socket: '/run/c/vol-a.vhost.sock' }), ['disks'])
  t.deepEqual(changed({ attach: 'nbd' }), ['disks'])
  t.deepEqual(changed({ volume: 'vol-b' }), ['form'], 'the mark knows the volume')
})

test('a NIC without a bridge has a tap that a switch takes by its name', (t) => {
  const { nics, ...rest } = machineOf('web-1')
  const direct = nics.map(({ bridgeDevice: _bridge, ...nic }) => nic)
  t.snapshot(domainXml({ ...rest, nics: direct }))
})

const HOSTILE = `"><script>&amp;'<!--]]>&#10;%s$(reboot)\`é😀`

test('a machine with a screen: it listens nowhere, and its viewers share it', (t) => {
  const spec = machineOf('web-1', { display: true })
  const xml = domainXml(spec)
  t.snapshot(xml)
  const reading = readDomain(xml)
  if (reading === undefined) throw new Error('nothing read')
  t.deepEqual(differences({ ...spec, display: false }, reading), ['display'])
})

test('hostile texts arrive as they were, and no element comes of them', (t) => {
  const boot = { kernel: `/k${HOSTILE}`, initrd: `/i${HOSTILE}`, commandLine: `a ${HOSTILE}` }
  const spec = machineOf(`vm${HOSTILE}`, { boot, serialLogFile: `/log/${HOSTILE}` })
  const xml = domainXml(spec)
  t.false(xml.includes('<script>'))
  const reading = readDomain(xml)
  t.is(reading?.name, spec.name)
  t.is(reading?.commandLine, boot.commandLine)
  t.is(reading?.serialLogFile, spec.serialLogFile)
  t.is(reading?.mark?.machine, spec.name)
})

for (const [what, text] of [
  ['a line break', 'a\nb'],
  ['a NUL', 'a\0b'],
  ['an escape', '\u001b[0m'],
  ['half a surrogate pair', 'a\ud800'],
] as const) {
  test(`${what} is refused, for XML would lose or change it`, (t) => {
    const error = t.throws(() => domainXml(machineOf('web-1', { serialLogFile: `/log/${text}` })), {
      instanceOf: PurlinError,
    })
    t.is(error?.code, 'PUR_INVALID')
    t.deepEqual(
      error?.problems.map((problem) => problem.path),
      ['domain.devices.serial.log.@file'],
    )
  })
}

const printable = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => !/[\p{Cc}\p{Cs}\ufffe\uffff]/u.test(text) && text.trim() === text)

const anySpec: fc.Arbitrary<DomainSpec> = fc.record({
  name: printable,
  uuid: fc.uuid(),
  cpus: fc.integer({ min: 1, max: 512 }),
  memoryMiB: fc.integer({ min: 64, max: 1 << 24 }),
  accelerator: fc.constantFrom('kvm', 'tcg'),
  boot: fc.record({ kernel: printable, initrd: printable, commandLine: printable }),
  nics: fc.uniqueArray(
    fc.record(
      {
        port: printable,
        mac: fc.constantFrom('52:54:00:12:34:56', '52:54:00:AB:CD:EF'),
        bridgeDevice: printable,
        tapDevice: printable,
        mtu: fc.integer({ min: 576, max: 9216 }),
      },
      { requiredKeys: ['port', 'mac', 'tapDevice', 'mtu'] },
    ),
    { maxLength: 4, selector: (nic) => nic.tapDevice },
  ),
  serialLogFile: printable,
  serialSocket: printable,
  display: fc.boolean(),
})

test('what is written is read back without a difference', (t) => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const reading = readDomain(domainXml(spec))
      t.deepEqual(reading === undefined ? ['nothing read'] : differences(spec, reading), [])
    }),
  )
})

test('another spec differs, and the difference is named', (t) => {
  const spec = machineOf('web-1')
  const reading = readDomain(domainXml(spec))
  if (reading === undefined) return t.fail('nothing read')
  t.deepEqual(differences({ ...spec, cpus: 2, memoryMiB: 256 }, reading), ['cpus', 'memoryMiB'])
  t.deepEqual(differences({ ...spec, nics: [] }, reading), ['nics'])
  const { mark: _mark, ...unmarked } = reading
  return t.deepEqual(differences(spec, unmarked), ['form'])
})
