import { systemClock } from '@purlin/base'
import test from 'ava'
import { createFakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { createVirtDriver } from '../driver/driver.ts'
import type { MachineDesired } from '../driver/types.ts'
import { readForeign } from './foreign-machine.ts'

const UUID = '6a2f41a3-c54c-fce8-32d2-0324e1c32e22'
const MAC = '52:54:00:00:00:09'

const foreignXml = (devices = '', { machine = 'pc-q35-7.2', more = '' } = {}): string =>
  `<domain type='qemu'><name>db-1</name><uuid>${UUID}</uuid><metadata></metadata><memory unit='MiB'>128</memory>
   <vcpu>1</vcpu><os><type arch='x86_64' machine='${machine}'>hvm</type><kernel>/k</kernel>
   <initrd>/i</initrd><cmdline>c</cmdline></os>${more}<devices>
   <interface type='bridge'><mac address='${MAC}'/><source bridge='br-old'/>
   <target dev='vnet0'/><model type='virtio'/></interface>${devices}</devices></domain>`

const wanted: MachineDesired = {
  ...{ name: 'db-1', uuid: UUID, cpus: 1, memoryMiB: 128, accelerator: 'tcg' },
  boot: { kernel: '/k', initrd: '/i', commandLine: 'c' },
  nics: [{ port: 'db-1.eth0', mac: MAC, bridgeDevice: 'pb-1', tapDevice: 'pt-1', mtu: 1500 }],
  ...{ serialLogFile: '/l', serialSocket: '/s', display: false },
  ...{ generation: 1, powerState: 'running' },
}

function bench() {
  const libvirt = createFakeLibvirt()
  const driver = createVirtDriver({ libvirt: libvirt.port, clock: systemClock })
  const signal = new AbortController().signal
  const pass = async (machine: MachineDesired): Promise<string[]> => {
    const steps = driver.plan({ machines: [machine] }, await driver.observe(signal))
    for (const step of steps) await driver.execute(step, signal)
    return steps.map(({ verb }) => verb)
  }
  return { libvirt, driver, pass, signal }
}

test('a foreign domain whose UUID a machine names is marked, and runs on as it is', async (t) => {
  const { libvirt, driver, pass, signal } = bench()
  libvirt.add(foreignXml(), true)
  t.deepEqual(await pass(wanted), ['adopt'])
  const { machines, foreign } = await driver.observe(signal)
  t.deepEqual(foreign, [])
  t.is(machines[0]?.state, 'running')
  t.true(driver.facts(await driver.observe(signal)).has('nic/db-1.eth0/in-use' as never))
  // What it is made of is written for its next start; nothing is plugged or unplugged before.
  t.deepEqual(await pass(wanted), ['redefine'])
  t.deepEqual(await pass(wanted), [])
  t.deepEqual(
    libvirt.calls.filter((call) => !/^(mark|define)/.test(call)),
    [],
  )
})

test('without its UUID a foreign domain of the name stays foreign', async (t) => {
  const { libvirt, pass } = bench()
  libvirt.add(foreignXml(), true)
  const error = await t.throwsAsync(pass({ ...wanted, uuid: UUID.replace('6a', '6b') }))
  t.like(error, { code: 'PUR_VIRT_NAME_TAKEN' })
  t.deepEqual(libvirt.calls, [])
})

const obstacles: readonly (readonly [string, string, object, RegExp])[] = [
  ['a host device', "<hostdev mode='subsystem' type='pci'/>", {}, /device of type hostdev/],
  ['a TPM', "<tpm model='tpm-crb'/>", {}, /device of type tpm/],
  [
    'a disk in a file',
    "<disk type='file'><source file='/a.img'/><target dev='vda' bus='virtio'/></disk>",
    {},
    /disk vda is \/a.img/,
  ],
  [
    'a disk of Ceph',
    "<disk type='network'><source protocol='rbd' name='p/i'/><target dev='vda' bus='virtio'/></disk>",
    {},
    /only disks on volumes/,
  ],
  [
    'a CD-ROM',
    "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>",
    {},
    /cdrom sda/,
  ],
  [
    'a NIC of another model',
    "<interface type='bridge'><mac address='52:54:00:00:00:0a'/><model type='e1000'/></interface>",
    {},
    /NIC 52:54:00:00:00:0a is e1000/,
  ],
  ['another machine type', '', { machine: 'pc-i440fx-7.2' }, /machine type is pc-i440fx-7.2/],
  ['slots for memory', '', { more: "<maxMemory slots='4'>1</maxMemory>" }, /slots for more memory/],
]

for (const [what, devices, form, expected] of obstacles) {
  test(`a domain with ${what} is refused by that name, and not touched`, async (t) => {
    const { libvirt, pass } = bench()
    libvirt.add(foreignXml(devices, form), true)
    const error = await t.throwsAsync(pass(wanted))
    t.like(error, { code: 'PUR_VIRT_NOT_ADOPTABLE' })
    t.regex(error?.message ?? '', expected)
    t.deepEqual(libvirt.calls, [])
  })
}

test('saved memory, libvirt’s autostart and transient domains are in the way', (t) => {
  const record = { name: 'db-1', uuid: UUID, state: 5, reason: 0, xml: foreignXml() }
  const life = { persistent: false, autostart: true, managedSave: true }
  const foreign = readForeign({ ...record, ...life })
  const found = foreign?.obstacles.join('\n') ?? ''
  for (const words of [/memory is saved/, /forgets it when it ends/, /autostart --disable db-1/]) {
    t.regex(found, words)
  }
})
