import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { libvirtUri, startLibvirtd } from '../sandbox/libvirtd.ts'
import { imagesFolder } from '../setup/set-up.ts'
import { done, type MachineHost, startMachineHost } from './machine-host.ts'
import { eventually } from './volume-host.ts'

const TEST_LIMIT_MS = 280_000
const UUID = '6a2f41a3-c54c-fce8-32d2-0324e1c32e22'
const MAC = '52:54:00:00:00:09'
const BOOT_ID = 'cat /proc/sys/kernel/random/boot_id'

const network = [
  { kind: 'DistributedSwitch', name: 'dvs0', spec: { uplinks: [] } },
  {
    kind: 'PortGroup',
    name: 'prod',
    spec: { switch: 'dvs0', vlan: 10, subnets: [{ cidr: '10.0.0.0/24' }] },
  },
]

/** A domain as somebody else would have made it. */
async function foreignXml(devices: string, machine = 'q35'): Promise<string> {
  const folder = join(imagesFolder, 'probe')
  const { kernel, initrd, cmdline } = JSON.parse(await readFile(join(folder, 'image.json'), 'utf8'))
  return `<domain type='qemu'>
  <name>db-1</name>
  <uuid>${UUID}</uuid>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='${machine}'>hvm</type>
    <kernel>${join(folder, kernel)}</kernel>
    <initrd>${join(folder, initrd)}</initrd>
    <cmdline>${cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='pty'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    ${devices}
  </devices>
</domain>`
}

async function define({ host }: MachineHost, xml: string): Promise<void> {
  const file = join(host.paths.folder, 'foreign.xml')
  await writeFile(file, xml)
  await host.run('virsh', ['-c', libvirtUri(host), 'define', file])
}

test('a foreign machine is taken in while it runs, and never restarted; what does not fit is said, and nothing is touched', async (t) => {
  t.timeout(TEST_LIMIT_MS)
  await using machines = await startMachineHost({ hasSwitch: true })
  const { host, client, guest, answers } = machines
  const { virtualMachines } = client
  const virsh = async (...words: string[]): Promise<string> =>
    (await host.run('virsh', ['-c', libvirtUri(host), ...words])).stdout.trim()
  await done(client.apply(network))
  await host.run('ip', ['link', 'add', 'br-old', 'up', 'type', 'bridge'])
  const nic = `<interface type='bridge'><source bridge='br-old'/><mac address='${MAC}'/>`

  // What cannot be taken in: each thing by name, and the domain as it was.
  await writeFile(join(host.paths.folder, 'old.img'), 'x')
  const disk = `<disk type='file'><source file='${host.paths.folder}/old.img'/><target dev='sda' bus='sata'/></disk>`
  await define(machines, await foreignXml(`${nic}<model type='e1000'/></interface>${disk}`, 'pc'))
  await virsh('autostart', 'db-1')
  const before = await virsh('dumpxml', 'db-1')
  const refused = await t.throwsAsync(virtualMachines.adopt('db-1'), {
    code: 'PUR_VIRT_NOT_ADOPTABLE',
  })
  for (const what of ['machine type is pc', 'e1000', 'disk sda', 'autostart', 'port group']) {
    t.true(refused?.message.includes(what), `${what}: ${refused?.message}`)
  }
  t.is(await virsh('dumpxml', 'db-1'), before)
  t.deepEqual(await virtualMachines.list(), [])
  await virsh('undefine', 'db-1')

  await define(machines, await foreignXml(`${nic}<model type='virtio'/></interface>`))
  await virsh('start', 'db-1')
  const pid = await host.run('pgrep', ['--exact', 'qemu-system-x86'])
  const asked = await virtualMachines.planAdoption('db-1')
  t.deepEqual(asked.obstacles, [
    `NIC ${MAC} fits no port group; say which it is to have: --nic ${MAC}=PORTGROUP`,
  ])
  const nics = [{ mac: MAC, portGroup: 'prod' }]
  const planned = await virtualMachines.planAdoption('db-1', { nics })
  t.deepEqual(planned.obstacles, [])
  t.like(planned.manifest.spec, { image: 'probe', uuid: UUID, cpus: 1, memoryMiB: 128 })

  await done(virtualMachines.adopt('db-1', { nics }))
  await answers('db-1')
  const first = await guest('db-1', BOOT_ID)
  const reason = async (): Promise<string | undefined> =>
    (await virtualMachines.get('db-1')).status.conditions[0]?.reason
  t.is(await reason(), 'Adopted')
  t.deepEqual(await virtualMachines.foreign(), [])
  t.is(await virsh('domuuid', 'db-1'), UUID)
  const bridged = (await host.run('ip', ['link', 'show', 'master', 'br-old'])).stdout
  t.regex(bridged, /vnet/, 'its NIC stays where it is until its next start')
  const alerts = async (): Promise<string[]> =>
    (await client.alerts())
      .filter(({ clearedAtMs }) => clearedAtMs === undefined)
      .map(({ code }) => code)
  t.true((await alerts()).includes('PUR_VIRT_ADOPTED'))
  await t.throwsAsync(virtualMachines.adopt('db-1', { nics }), { code: 'PUR_VIRT_REFUSED' })

  // Agent and libvirtd end and come back: it is still theirs, and runs on.
  await machines.killAgent()
  await host.run('pkill', ['--signal', 'KILL', '--exact', 'libvirtd'])
  await startLibvirtd(host)
  await answers('db-1')
  t.is(await guest('db-1', BOOT_ID), first)
  t.is((await host.run('pgrep', ['--exact', 'qemu-system-x86'])).stdout, pid.stdout)
  await eventually('it is ready again', async () => (await reason()) === 'Adopted')

  // From its next start on it is a machine like any other.
  await done(virtualMachines.stop('db-1', { graceSeconds: 30 }))
  await done(virtualMachines.start('db-1'))
  await answers('db-1')
  t.not(await guest('db-1', BOOT_ID), first)
  t.is(await reason(), 'Running')
  t.is(await virsh('domuuid', 'db-1'), UUID)
  t.is((await host.run('ip', ['link', 'show', 'master', 'br-old'])).stdout, '')
  await eventually('the alert is gone', async () => !(await alerts()).includes('PUR_VIRT_ADOPTED'))
  t.regex(await guest('db-1', 'cat /sys/class/net/*/address'), new RegExp(MAC))
})
