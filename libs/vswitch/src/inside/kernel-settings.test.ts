import test from 'ava'
import { gatewayKernelSettings, otherSettings, routerKernelSettings } from './kernel-settings.ts'

const told = [
  'net.ipv4.ip_forward = 0',
  'net.ipv6.conf.all.forwarding = 1',
  'net.ipv4.conf.ext0.forwarding = 1',
].join('\n')

test('a setting with another value is found, one that the kernel lacks is not missed', (t) => {
  const wanted = routerKernelSettings(['lo', 'ext0'])
  t.deepEqual(otherSettings(wanted, told), ['net.ipv4.ip_forward=1'])
  t.deepEqual(otherSettings(wanted, ''), [])
})

test('a port group’s namespace forwards while a router joins it, on every device, and never else', (t) => {
  const joined = gatewayKernelSettings(true)
  t.true(joined.includes('net.ipv4.ip_forward=1'))
  t.true(joined.includes('net.ipv6.conf.rt0.forwarding=1'))
  t.deepEqual(otherSettings(gatewayKernelSettings(false), told), ['net.ipv6.conf.all.forwarding=0'])
  const names = joined.map((setting) => setting.split('=')[0])
  t.is(new Set(names).size, names.length, 'no setting has two values')
})
