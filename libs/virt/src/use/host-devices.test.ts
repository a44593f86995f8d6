import test from 'ava'
import { hostDevicesOf } from './host-devices.ts'

const address = (bus: string, slot: string, function_: string, type = '') =>
  `<source><address ${type}domain='0x0000' bus='${bus}' slot='${slot}' function='${function_}'/></source>`

test('host devices and NICs that are one are told by their address; USB and others are not', (t) => {
  const xml = `<domain type='kvm'><name>a</name><devices>
    <hostdev mode='subsystem' type='pci' managed='yes'>${address('0x3b', '0x02', '0x1')}
      <address type='pci' domain='0x0000' bus='0x06' slot='0x00' function='0x0'/></hostdev>
    <hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/></source></hostdev>
    <interface type='hostdev'>${address('0xb0', '0x1f', '0x7', "type='pci' ")}</interface>
    <interface type='bridge'><source bridge='br0'/></interface>
  </devices></domain>`
  t.deepEqual(hostDevicesOf(xml), ['0000:3b:02.1', '0000:b0:1f.7'])
})

test('a domain without any, and what is no domain, have none', (t) => {
  t.deepEqual(hostDevicesOf('<domain><name>a</name><devices/></domain>'), [])
  t.deepEqual(hostDevicesOf('<domain><hostdev'), [])
  t.deepEqual(hostDevicesOf('<domain><devices><hostdev type="pci"/></devices></domain>'), [])
})
